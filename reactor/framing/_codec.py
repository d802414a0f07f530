"""Choose the twin by REACTOR_EXTENSION: 0 the pure one, 1 the compiled one or ImportError, unset what is there."""

import os
from typing import TYPE_CHECKING

from ._codec_py import BytesLike

_mode = os.environ.get("REACTOR_EXTENSION", "")

if TYPE_CHECKING or _mode == "0":
    from ._codec_py import Decoder, Encoder
else:
    try:
        from ._codec_c import Decoder, Encoder
    except ImportError:
        if _mode == "1":
            raise
        from ._codec_py import Decoder, Encoder

EXTENSION: bool = Decoder.__module__.endswith("_c")

__all__ = ["EXTENSION", "BytesLike", "Decoder", "Encoder"]
