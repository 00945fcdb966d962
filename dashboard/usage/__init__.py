"""What was asked for and refused: sums, a chart, each request."""
