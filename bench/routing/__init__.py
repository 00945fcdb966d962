"""The router against others: public traces, simulated machines, and the rules of many gateways."""
