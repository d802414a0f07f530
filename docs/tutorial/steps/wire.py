"""What travels: requests and answers, each a message of text."""

from reactor import Framing

FRAMING = Framing(2, max_frame_length=1000)  # 2 bytes of length, then up to 1000 bytes


def request(*words):
    return " ".join(words).encode()


def words_of(message):
    return message.decode().split()


if __name__ == "__main__":
    stream = FRAMING.encode(request("set", "kitchen", "21.5")) + FRAMING.encode(request("get", "kitchen"))
    print(stream)
    decoder = FRAMING.decoder()
    for chunk in stream[:1], stream[1:30], stream[30:]:
        print(decoder.feed(chunk))
