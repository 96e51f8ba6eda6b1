"""What is known to go wrong on Azure."""
