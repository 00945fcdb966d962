"""Decision records on the control side: kept rows, and what a choice of a worker was made from."""
