"""Look and judge by hand: a local page over a table of types."""
