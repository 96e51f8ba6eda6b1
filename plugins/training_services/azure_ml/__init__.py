"""Azure Machine Learning keeps the contract: ``service`` over its listing, log, bucket and machines."""
