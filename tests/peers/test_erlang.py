"""Erlang understands us and we understand Erlang: gen_tcp with {packet, N} at the other end, N = 1, 2 and 4.

The runtime itself cuts and makes the frames there, in C: one more implementation that is not ours.
"""

import sys
from pathlib import Path

import pytest
from helpers import run_until
from peers.conversation import bodies, difference, sizes
from peers.our_side import BatchEcho, Echo, Talker

pytestmark = pytest.mark.usefixtures("twin")
widths = pytest.mark.parametrize("width", [1, 2, 4], ids=["packet-1", "packet-2", "packet-4"])

# Sends and receives in two processes, for no buffer between the ends holds a whole conversation. After the last echo it
# ends its side and goes on reading: nothing more may come.
CLIENT = """
    timer:apply_after(60000, erlang, halt, [2]),
    [Width, Port | Sizes] = [list_to_integer(Arg) || Arg <- init:get_plain_arguments()],
    rand:seed(exsss, Width),
    Said = [rand:bytes(Size) || Size <- Sizes],
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {packet, Width}, {active, false}]),
    spawn_link(fun() -> [ok = gen_tcp:send(Socket, Message) || Message <- Said] end),
    Compare = fun(Message, Number) ->
        case gen_tcp:recv(Socket, 0) of
            {ok, Message} -> Number + 1;
            {ok, Other} ->
                io:format("message ~b: ~b bytes became ~b~n", [Number, byte_size(Message), byte_size(Other)]), halt();
            {error, Reason} -> io:format("message ~b: ~p~n", [Number, Reason]), halt()
        end
    end,
    lists:foldl(Compare, 0, Said),
    ok = gen_tcp:shutdown(Socket, write),
    case gen_tcp:recv(Socket, 0) of
        {error, closed} -> io:format("ok~n");
        Unexpected -> io:format("after the last message: ~P~n", [Unexpected, 20])
    end,
    halt().
"""

# Takes messages as they come into the process, as Erlang's own servers do.
SERVER = """
    timer:apply_after(60000, erlang, halt, [2]),
    [Width] = [list_to_integer(Arg) || Arg <- init:get_plain_arguments()],
    {ok, Listener} = gen_tcp:listen(0, [binary, {packet, Width}, {active, true}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listener),
    io:format("~b~n", [Port]),
    {ok, Socket} = gen_tcp:accept(Listener),
    Echo = fun Echo() ->
        receive
            {tcp, Socket, Message} -> ok = gen_tcp:send(Socket, Message), Echo();
            {tcp_closed, Socket} -> halt();
            {tcp_error, Socket, Reason} -> io:format("~p~n", [Reason]), halt(1)
        end
    end,
    Echo().
"""

# Runs a program as a port, and has it answer with what it was sent, over its stdin and stdout.
PORT = """
    timer:apply_after(60000, erlang, halt, [2]),
    [Python, Script | Sizes] = init:get_plain_arguments(),
    Port = open_port({spawn_executable, Python}, [{args, [Script]}, {packet, 4}, binary, exit_status]),
    Said = [rand:bytes(list_to_integer(Size)) || Size <- Sizes],
    [true = port_command(Port, Message) || Message <- Said],
    Compare = fun(Message, Number) ->
        receive
            {Port, {data, Message}} -> Number + 1;
            {Port, {data, Other}} ->
                io:format("message ~b: ~b bytes became ~b~n", [Number, byte_size(Message), byte_size(Other)]), halt();
            {Port, {exit_status, Status}} -> io:format("it ended with ~b~n", [Status]), halt()
        end
    end,
    lists:foldl(Compare, 0, Said),
    port_close(Port),
    io:format("ok~n"),
    halt().
"""
ROOT = Path(__file__).parent.parent.parent


@widths
@pytest.mark.parametrize("kind", [Echo, BatchEcho])
def test_an_erlang_client_gets_back_from_our_server_what_it_sent(net, erlang, width, kind):
    echo = kind(width)
    server = net.listen_tcp(lambda: echo, "127.0.0.1", 0)
    client = erlang(CLIENT, width, server.addresses[0][1], *sizes(width))
    assert client.verdict() == "ok"
    run_until(net, lambda: echo.ended)
    assert echo.lost is None


@widths
def test_our_client_gets_back_from_an_erlang_server_what_it_sent(net, erlang, width):
    said = bodies(width)
    talker = Talker(width, said)
    server = erlang(SERVER, width)
    net.connect_tcp(lambda: talker, "127.0.0.1", server.port())
    run_until(net, lambda: talker.ended)
    assert talker.lost is None
    assert difference(said, talker.came) == ""
    server.verdict()


def test_an_erlang_port_gets_back_what_it_sent_over_our_stdio(erlang, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    port = erlang(PORT, sys.executable, ROOT / "examples" / "stdio_port.py", *sizes(4))
    assert port.verdict() == "ok"
