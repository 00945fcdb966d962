"""Who may ask what: rules over a request's head, and tables of what the control plane said."""
