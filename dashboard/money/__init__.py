"""Balance, credit and budgets."""
