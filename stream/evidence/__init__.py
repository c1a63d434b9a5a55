"""Evidence of events: a camera's encoded packets, kept for some seconds and written as they are.

packets    one camera's ring of packets, and how long which of them stay
clip       packets to an MP4, and an MP4 to a picture
keeper     a thread that writes what events need, and deletes what is too old
"""
