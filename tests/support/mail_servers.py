"""A real Postfix, which takes mail with STARTTLS and a password, and a real Dovecot, which keeps and gives it: on
loopback, for tests.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import trustme

USER, PASSWORD, DOMAIN = "reports@example.com", "a long, long sentence", "example.com"
BOXES = (USER, "board@example.com", "zoe@example.com", "owner@example.com")  # every one with this password
DAEMONS = Path("/usr/lib/postfix/sbin")

_POSTFIX = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = localhost
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {place}/postfix.log
maillog_file_prefixes = {place}
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {place}/boxes
virtual_mailbox_maps = texthash:{place}/postfix/boxes
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_cert_file = {place}/chain.pem
smtpd_tls_key_file = {place}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {place}/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_DOVECOT = """\
base_dir = {place}/dovecot
log_path = {place}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{place}/boxes/%u
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {place}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={place}/boxes/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service auth {{
  unix_listener {place}/auth {{
    mode = 0666
  }}
}}
"""


@dataclass(frozen=True)
class MailServers:
    """Where they listen; `trusted` is the file with the certificate of who signed theirs."""

    smtp: int
    imap: int
    trusted: Path


def missing() -> str:
    """Why these servers cannot be started here; empty where they can."""
    if not (DAEMONS / "master").exists() or not shutil.which("postfix", path=os.defpath + ":/usr/sbin"):
        return "Postfix is not installed"
    if not shutil.which("dovecot", path=os.defpath + ":/usr/sbin"):
        return "Dovecot is not installed"
    return "" if os.geteuid() == 0 else "Postfix starts for root only"


@contextmanager
def mail_servers() -> Iterator[MailServers]:
    """Both, in a folder of their own under a short name, since the paths of sockets are."""
    folder = Path(tempfile.mkdtemp(prefix="mail-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        smtp, imap = _free_port(), _free_port()
        _write(folder, smtp, imap)
        dovecot = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", folder / "dovecot.conf"])
        try:
            subprocess.run(["/usr/sbin/postfix", "-c", folder / "postfix", "start"], check=True, capture_output=True)
            try:
                for port in (smtp, imap):
                    _wait(port)
                yield MailServers(smtp, imap, folder / "ca.pem")
            finally:
                subprocess.run(
                    ["/usr/sbin/postfix", "-c", folder / "postfix", "abort"], check=False, capture_output=True
                )
        finally:
            dovecot.terminate()
            dovecot.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, smtp: int, imap: int) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert("localhost", "127.0.0.1")
    own.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "chain.pem").write_bytes(b"".join(part.bytes() for part in own.cert_chain_pems))
    for name, owner in (("queue", "root"), ("data", "postfix"), ("boxes", "mail"), ("postfix", "root")):
        (folder / name).mkdir()
        user = pwd.getpwnam(owner)
        os.chown(folder / name, user.pw_uid, user.pw_gid)
    keeper = pwd.getpwnam("mail")
    names = {
        "uid": keeper.pw_uid,
        "gid": keeper.pw_gid,
        "place": folder,
        "daemons": DAEMONS,
        "domain": DOMAIN,
        "port": smtp,
        "imap": imap,
    }
    (folder / "postfix" / "main.cf").write_text(_POSTFIX.format(**names))
    (folder / "postfix" / "master.cf").write_text(_MASTER.format(**names))
    (folder / "dovecot.conf").write_text(_DOVECOT.format(**names))
    (folder / "postfix" / "boxes").write_text("".join(f"{address} {address}/\n" for address in BOXES))
    (folder / "users").write_text("".join(f"{address}:{PASSWORD}\n" for address in BOXES))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(port: int) -> None:
    start = monotonic()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if monotonic() > start + 20:
                raise
            sleep(0.1)
