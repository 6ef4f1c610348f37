"""From files to a training store: preprocess, build, shards on disk."""
