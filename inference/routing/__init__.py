"""Which worker, and why: what is believed of their health, who there is, and the choice."""
