"""A real Dovecot on loopback, configured in a temporary folder, for as many users as a test asks for."""

import atexit
import getpass
import grp
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import imapclient
import trustme

PASSWORD = "correct-horse"

_CONFIG = """
base_dir = {run}
state_dir = {folder}/state
log_path = {folder}/dovecot.log
info_log_path = {folder}/dovecot.log
ssl = {ssl}
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_chars =
protocols = imap
listen = 127.0.0.1
{users}
mail_location = maildir:{folder}/mail/%u
mail_fsync = never
first_valid_uid = 0
{extra}
passdb {{
  driver = static
  args = password={password_arg}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
  {namespace}
  mailbox Drafts {{
    special_use = \\Drafts
    auto = create
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {plain_port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 200
}}
service stats {{
  chroot =
}}
service auth {{
  chroot =
}}
protocol imap {{
  mail_max_userip_connections = 100
  {imap}
}}
"""


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Dovecot:
    """A running server. `ca_file` is the authority that signed its certificate (for 127.0.0.1 and localhost)."""

    folder: Path
    plain_port: int
    tls_port: int
    ca_file: Path
    process: "subprocess.Popen[bytes] | None" = None
    _users = itertools.count(1)

    def new_user(self) -> str:
        """A user with an empty mailbox."""
        return f"parent{next(self._users)}-{os.getpid()}"

    def client(self, user: str) -> imapclient.IMAPClient:
        """A second client, as the parent's own."""
        client = imapclient.IMAPClient("127.0.0.1", self.plain_port, ssl=False, timeout=20)
        client.login(user, PASSWORD)
        return client

    def stop(self) -> None:
        """End the server, and only it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.process = subprocess.Popen(
            [_binary(), "-F", "-c", str(self.folder / "dovecot.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.plain_port), timeout=1) as probe:
                    if probe.recv(20).startswith(b"* OK"):
                        return
            except OSError:
                time.sleep(0.05)
        log = self.folder / "dovecot.log"
        raise RuntimeError(f"Dovecot did not start: {log.read_text() if log.exists() else 'no log'}")


def _binary() -> str:
    found = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    if found is None:
        raise RuntimeError("Dovecot is not installed; run `make system-packages`")
    return found


def _users() -> str:
    if os.getuid() == 0:
        # Dovecot's own users, made by its package; the folder must let them pass.
        return ""
    user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
    return f"default_internal_user = {user}\ndefault_login_user = {user}\ndefault_internal_group = {group}"


def start_dovecot(
    folder: Path, *, imap: str = "", namespace: str = "separator = /", extra: str = "", capability: str = ""
) -> Dovecot:
    """Configure and start a server. `imap`, `namespace`, `extra` are lines of Dovecot's own configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == 0 and parent != Path("/") and not parent.stat().st_mode & 0o001:
                parent.chmod(0o755)
    # Dovecot refuses to keep mail as root; its own user serves as well.
    owner = pwd.getpwnam("dovecot") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    for name in ("mail", "home"):
        (folder / name).mkdir(exist_ok=True)
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    # The path of a socket has at most 107 octets, and a test's own folder is deep.
    run = Path(tempfile.mkdtemp(prefix="dovecot-"))
    run.chmod(0o755)
    atexit.register(shutil.rmtree, run, ignore_errors=True)
    server = Dovecot(folder, free_port(), free_port(), folder / "ca.pem")
    if capability:
        imap += f"\n  imap_capability = {capability}"
    (folder / "dovecot.conf").write_text(
        _CONFIG.format(
            folder=folder,
            run=run,
            ssl="yes",
            users=_users(),
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            password_arg=PASSWORD,
            plain_port=server.plain_port,
            tls_port=server.tls_port,
            namespace=namespace,
            imap=imap,
            extra=extra,
        )
    )
    server.start()
    return server
