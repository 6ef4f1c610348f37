"""From a survey's catalogue of millions of rows to balanced, star-disjoint samples."""
