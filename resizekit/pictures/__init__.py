"""Picture files: decode and encode them, with everything that a picture carries.

picture.py      a decoded picture: colours, alpha, colour profile
metadata.py     EXIF, XMP and resolution, and which of them to keep
manifest.py     the record in a small image that `up` needs
value_range.py  the declared range of values, if it differs from the range of the integer type
limits.py       the maximum size of a picture
channels.py     which channels a picture may have for weights
io/             reading, writing, and finding files in folders
"""
