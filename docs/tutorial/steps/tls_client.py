import ssl
import sys

import client

context = ssl.create_default_context(cafile="cert.pem")  # whom to trust; without cafile the system's authorities
sys.exit(client.main(*sys.argv[1:], tls=context, server_hostname="localhost"))
