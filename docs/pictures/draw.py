"""Draw the pictures of docs/pictures.md from the library's own tables: python docs/pictures/draw.py writes them.

Law: what is drawn comes from the code. A move, a step or a place on the way that the code doesn't have, or that has no
words here, is an error; `tests/test_site.py` holds the files to what this draws, and the way to what a byte takes.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from html import escape
from pathlib import Path

from reactor.framing._codec_py import Decoder
from reactor.framing._encoder_py import Encoder
from reactor.loop.turn import Turn
from reactor.protocol import FramedProtocol
from reactor.transport._stream_py import Stream
from reactor.transport.buffers import WriteBuffer
from reactor.transport.core import MOVES, State
from reactor.transport.tls import Session

HERE = Path(__file__).parent
WIDTH = 420  # of every picture: a telephone shows it nearly as it is

# Readable on white and in the dark: who looks decides, and nothing is behind the boxes.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2933; }
.name { font: 600 13px ui-monospace, monospace; }
.small { font-size: 11.5px; fill: #52606d; }
.box { fill: #f4f6fa; stroke: #3f51b5; stroke-width: 1.4; }
.yours { fill: #fff4de; stroke: #c77700; }
.maybe { stroke-dasharray: 5 3; }
.line { fill: none; stroke: #52606d; stroke-width: 1.5; }
.head { fill: #52606d; }
@media (prefers-color-scheme: dark) {
text { fill: #e4e7eb; }
.small { fill: #b0bac5; }
.box { fill: #262b3a; stroke: #8c9eff; }
.yours { fill: #3a2f1a; stroke: #ffb74d; }
.line { stroke: #9aa5b1; }
.head { fill: #9aa5b1; }
}
"""
ARROW = '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">' + (
    '<path class="head" d="M0 0 8 4 0 8z"/></marker>'
)


def svg(height: float, title: str, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" role="img">'
    defs = f"<defs>{ARROW}</defs>"
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", defs, *parts, "</svg>\n"])


def box(x: float, y: float, width: float, height: float, kind: str = "") -> str:
    return f'<rect class="{f"box {kind}".strip()}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7"/>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    chosen = f' class="{kind}"' if kind else ""
    return f'<text{chosen} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def arrow(*points: tuple[float, float]) -> str:
    path = " ".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path class="line" marker-end="url(#head)" d="M{path}"/>'


# ---- a byte's way

# Whose function is called on the way, in this order; the words; whether it is yours, or only under TLS.
Place = tuple[type, str, str, str]
IN: list[Place] = [
    (Turn, "_run_events", "the loop calls who is ready", ""),
    (Stream, "receive", "reads once", ""),
    (Session, "feed", "under TLS: decrypts", "maybe"),
    (Decoder, "push", "cuts the stream into frames", ""),
    (FramedProtocol, "message_received", "is given the message", "yours"),
]
OUT: list[Place] = [
    (Stream, "send", "is what self.send() is", "yours"),
    (Encoder, "encode", "puts the header in front", ""),
    (WriteBuffer, "put", "waits with the others", ""),
    (Turn, "_run_flushes", "the end of the turn", ""),
    (Stream, "_seal", "under TLS: encrypts, once", "maybe"),
    (Stream, "_send", "one send for all of them", ""),
]


def way() -> str:
    """Two columns between the protocol and the socket: a message's way in, from the bottom up, and another's out."""
    wide, top, bottom = 196, 30, 30 + 86 * max(len(IN), len(OUT))
    parts = [text(105, 20, "in", "name", "middle"), text(315, 20, "out", "name", "middle")]
    for x, places in ((7, IN[::-1]), (217, OUT)):
        gap = (bottom - top) / len(places)
        for row, one in enumerate(places):
            y = top + row * gap
            parts += place(x, y, wide, 60, *one)
            down = (x + wide / 2, y + 60), (x + wide / 2, y + gap)
            parts.append(arrow(*down) if places is OUT else arrow(*reversed(down)))
    parts += [box(7, bottom, WIDTH - 14, 34), text(WIDTH / 2, bottom + 22, "the kernel's socket", "", "middle")]
    return svg(bottom + 42, "A byte's way through the house", parts)


def place(x: float, y: float, width: float, height: float, kind: type, name: str, words: str, looks: str) -> list[str]:
    """Draw one place on the way, and the file that its function is in."""
    file = getattr(kind, name).__module__.partition(".")[2].replace(".", "/")
    return [
        box(x, y, width, height, looks),
        text(x + 10, y + 18, name if looks == "yours" else f"{kind.__name__}.{name}", "name"),
        text(x + 10, y + 35, words),
        text(x + 10, y + 51, f"{file}.py", "small"),
    ]


# ---- a connection's life

WORDS = {
    (State.NEW, State.OPEN): "connection_made()",
    (State.NEW, State.LOST): "close(), abort(), no handshake",
    (State.OPEN, State.CLOSING): "close(), the peer's end",
    (State.OPEN, State.LOST): "abort(), error, or nothing waits",
    (State.CLOSING, State.LOST): "all is sent, or a timeout",
}
INSIDE = {
    State.NEW: ["the socket is there, under TLS a handshake runs", "nothing is delivered"],
    State.OPEN: ["data_received(), message_received()", "eof_received(), pause_ and resume_writing()"],
    State.CLOSING: ["what waits is still sent", "nothing is delivered, writes are dropped"],
    State.LOST: ["connection_lost(exc), once and last,", "at the end of the turn"],
}


def life() -> str:
    """The states from top to bottom, an arrow for each legal move; those that pass a state by go on the right."""
    states, step, height, wide = list(State), 116, 66, 310
    parts, lane = [], 0
    for row, state in enumerate(states):
        y = 8 + row * step
        parts += [box(8, y, wide, height, "yours" if state is State.LOST else ""), text(20, y + 20, state.name, "name")]
        parts += [text(20, y + 38 + 16 * line, words, "small") for line, words in enumerate(INSIDE[state])]
        for to in sorted(MOVES[state], key=states.index):
            down = states.index(to)
            if down == row + 1:
                parts.append(arrow((90, y + height), (90, y + step)))
                parts.append(text(100, y + height + 29, WORDS[state, to], "name"))
                continue
            x = wide + 62 - 30 * lane
            lane += 1
            far = 8 + down * step + height / 2 + 12 * lane - 18
            parts.append(arrow((wide + 8, y + height / 2), (x, y + height / 2), (x, far), (wide + 8, far)))
            parts.append(side(x + 14, (y + height / 2 + far) / 2, WORDS[state, to]))
    return svg(8 + 3 * step + height + 8, "A connection's life", parts)


def side(x: float, y: float, words: str) -> str:
    turned = f"translate({x:g} {y:g}) rotate(90)"
    return f'<text class="small" text-anchor="middle" transform="{turned}">{escape(words)}</text>'


# ---- a turn of the loop

STEPS = {
    "_poll": ("poll", "wait for what is ready, at most until a timer"),
    "_run_events": ("files that are ready", "read, cut, call your protocol"),
    "_run_timers": ("timers that are due", "call_later(), call_every(), the limits"),
    "_run_all": ("the ready queue as it stood", "call_soon(), other threads' calls"),
    "_run_flushes": ("this turn's writes leave", "one send a connection"),
    "_run_looked": ("calls behind a full look", "who is silent is judged, a drain goes on"),
    "_run_closes": ("ends", "connection_lost(), then nothing more of it"),
}


def steps() -> list[str]:
    """Return what a turn calls, in the order of its lines."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(Turn._turn)))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    own = [call for call in calls if isinstance(call, ast.Attribute) and ast.unparse(call.value) == "self"]
    own.sort(key=lambda call: (call.lineno, call.col_offset))
    return [call.attr for call in own if call.attr != "_until_due"]


def turn() -> str:
    """The steps from top to bottom, and the way back to the first."""
    step, height, wide, top = 68, 50, 344, 8
    names = steps()
    parts = []
    for row, name in enumerate(names):
        title, words = STEPS[name]
        y = top + row * step
        parts += [box(8, y, wide, height), text(22, y + 21, f"{row + 1}. {title}", "name")]
        parts.append(text(22, y + 39, words, "small"))
        if row + 1 < len(names):
            parts.append(arrow((wide / 2, y + height), (wide / 2, y + step)))
    last = top + (len(names) - 1) * step + height / 2
    parts.append(arrow((wide + 8, last), (390, last), (390, top + height / 2), (wide + 8, top + height / 2)))
    parts.append(side(398, (last + top + height / 2) / 2, "the next turn, until stop()"))
    return svg(last + height / 2 + 8, "A turn of the loop", parts)


PICTURES = {"way.svg": way, "life.svg": life, "turn.svg": turn}


def main() -> None:
    for name, draw in PICTURES.items():
        (HERE / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
