# What to type, by what, where to. Sourced by array.sh and merge.sh.
LIST=@list.txt              # or a folder, or night tars
RESULTS=results/
TABLE=types.parquet
OPTIONS="--model standard"  # the same for every task
