"""What an append expects of a stream, as one number: an exact version (0: not there), or one of the negative names here."""

ANY = -1
NO_STREAM = -2
STREAM_EXISTS = -3
