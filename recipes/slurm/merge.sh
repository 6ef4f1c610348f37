#!/bin/bash
#SBATCH --job-name=spectype-merge
#SBATCH --mem=8G
#SBATCH --time=00:30:00
# One table, if and only if every input has its row.
source settings.sh
spectype results check "$RESULTS" && spectype results summary "$RESULTS" \
    && spectype results merge "$RESULTS" --output "$TABLE"
