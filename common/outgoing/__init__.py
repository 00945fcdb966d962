"""The one way to call an address that somebody typed (rules: ``inference/contracts/addresses``)."""
