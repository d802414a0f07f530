from .framing import EXTENSION, Framing
