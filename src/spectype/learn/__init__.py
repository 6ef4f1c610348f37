"""Networks and their training: torch lives here and nowhere else."""
