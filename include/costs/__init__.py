"""What training costs: a dated price table, a ledger of every job, and the rules that hold it to a budget."""
