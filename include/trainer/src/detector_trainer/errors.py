"""What can be wrong with what the trainer was given, told apart from its own failures."""


class BadInput(ValueError):
    """The data or the configuration cannot be trained on; running again changes nothing until they are mended."""
