"""Pictures in files: read, made small, written with a manifest, and brought back.

picture.py    what a file holds: colours, alpha, colour profile
read.py       any file that Pillow reads, a deep PNG, TIFF or array, or one clear line why not
array.py      arrays of numpy's, without trusting their headers
value_range.py       the range of values, where it is not that of codes
tiff.py       what Pillow reads and writes no TIFF of
limits.py     how large a picture may be
upright.py    turned as the camera noted
write.py      an output that is whole or not there
manifest.py   the note in the small image that `up` needs
note.py       where a file carries it
alpha.py      transparency that leaves no rim
pad.py        sizes that the factor does not divide, and very small ones
tile.py       memory bounded by the tile
weights.py    which networks, and whether a manifest means these
wanted.py     any size, as it is asked for
remainder.py  what no learned step divides: bicubic, and that undone
pictures.py   down and up in memory
find.py       folders and patterns to pictures
files.py      the two verbs: down_file, up_file
"""
