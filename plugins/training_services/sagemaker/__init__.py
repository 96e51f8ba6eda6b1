"""SageMaker keeps the contract, with our trainer (``service``) and with its own detector (``builtin``)."""
