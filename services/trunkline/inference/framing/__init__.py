"""Cut the bytes of a stream into its frames: server-sent events, or lines of JSON."""

from trunkline.inference.framing.frame import MAX_FRAME, FrameTooLong
from trunkline.inference.framing.ndjson import NdjsonFrames
from trunkline.inference.framing.sse import SseFrames

__all__ = ["MAX_FRAME", "FrameTooLong", "NdjsonFrames", "SseFrames"]
