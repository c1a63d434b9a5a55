"""Evidence of events: a camera's encoded packets, kept for some seconds and written as they are.

holds      which times of a camera stay in memory
packets    one camera's ring of packets
picture    packets to pictures, and a picture to a JPEG
blur       what lies outside of a camera's region, made unrecognisable
clip       packets to an MP4, as they are or blurred
attention  where the model looked, remembered and drawn
folder     how files are named, appear whole, and are deleted in time
keeper     a thread that writes what events need
"""
