"""Pictures in files: read, made small, written with a manifest, and restored.

files.py              the public functions: down_file, up_file, plan_file
run_options.py        RunOptions: tiles, device, precision, overwriting, progress
target_size.py        TargetSize: the requested size of a small image
selection.py          which weights make a picture small
planning.py           how many steps, and how much padding
pipeline.py           down and up in memory
manifest.py           the record in a small image that `up` needs
manifest_weights.py   the weights that a manifest names
picture.py            a decoded picture: colours, alpha, colour profile
value_range.py        the declared range of values, if it differs from the range of the integer type
limits.py             the maximum size of a picture
channels.py           which channels a picture may have for weights
pad.py                padding for sizes that the factors do not divide, and very small pictures
alpha.py              transparency
bicubic_remainder.py  the part of a resize that no learned step covers
io/                   reading and writing files
"""
