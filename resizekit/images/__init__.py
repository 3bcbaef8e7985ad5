"""Pictures in files: made small, written with a manifest, and restored.

files.py              the public functions: down_file, up_file, plan_file
run_options.py        RunOptions: tiles, device, precision, overwriting, progress
budget.py             Budget: limits on memory and pixels
estimate.py           what a resize will take: memory, temporary files, time
target_size.py        TargetSize: the requested size of a small image
selection.py          which weights make a picture small
planning.py           how many steps, and how much padding
pipeline.py           down and up in memory
small_files.py        a small file with its manifest, or with that of its sidecar
manifest_weights.py   the weights that a manifest names
max_bytes.py          the best quality that fits in a number of bytes
advice.py             pictures that gain nothing
in_memory.py          down_bytes, up_bytes: the same without files on disk
inputs.py             what down_file and down_bytes take: files, PIL images, arrays
restoration.py        the work of up_file and up_bytes
many.py               down_many, up_many: folders and patterns
jobs.py               the pictures of a run, and the names of their outputs
tasks.py              the work on one picture
batch.py              many pictures, in one process or in several
bicubic_remainder.py  the part of a resize that no learned step covers
"""
