"""Words of the wire that every room speaks: header fields, ids of requests, refusals."""
