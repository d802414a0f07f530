import ssl

from reactor import Reactor

from limited_server import serve

context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)  # of a server: it authenticates no client
context.load_cert_chain("cert.pem", "key.pem")

with Reactor() as reactor:
    serve(reactor, {}, tls=context)
    reactor.run()
