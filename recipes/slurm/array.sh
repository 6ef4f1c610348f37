#!/bin/bash
#SBATCH --job-name=spectype
#SBATCH --array=1-50
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60
# Each task types its share of the plan's shards; at the time limit it is requeued.
source settings.sh
export OMP_NUM_THREADS=1
spectype classify $LIST --output "$RESULTS" $OPTIONS --workers "$SLURM_CPUS_PER_TASK" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" &
task=$!
trap 'kill -TERM $task' TERM
wait $task; status=$?
# A trapped signal ends the first wait; the second waits for what has been typed to be written.
if kill -0 $task 2>/dev/null; then wait $task; status=$?; fi
if [ $status -eq 143 ]; then scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"; fi
[ $status -eq 3 ] && exit 0   # some rows carry an error: they are named, the work is done
exit $status
