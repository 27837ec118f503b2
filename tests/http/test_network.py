"""TLS and proxies."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipectl.tasks.own import Fault

from .conftest import Ask, Site


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=test"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True
    )
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return both


@pytest.fixture
def secure_site(new_site: Callable[..., Site], certificate: Path) -> Site:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return new_site(context)


class TestTls:
    def test_certificate_that_nobody_vouches_for_is_refused(self, ask: Ask, secure_site: Site) -> None:
        with pytest.raises(
            Fault, match=r"the certificate of `127\.0\.0\.1` is not trusted: self-signed certificate"
        ) as raised:
            ask(secure_site.url)
        assert {"connection", "SSLCertVerificationError"} <= set(raised.value.kinds)
        assert secure_site.seen == []

    def test_certificate_of_another_host_is_refused(self, ask: Ask, secure_site: Site, certificate: Path) -> None:
        with pytest.raises(Fault, match="the certificate of `localhost` is not trusted: Hostname mismatch"):
            ask(f"https://localhost:{secure_site.port}/", verify=str(certificate))

    def test_verify_names_a_file_of_those_who_vouch(self, ask: Ask, secure_site: Site, certificate: Path) -> None:
        assert ask(secure_site.url, verify=str(certificate))["text"] == "ok"

    def test_environment_may_name_that_file(
        self, ask: Ask, secure_site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert ask(secure_site.url)["text"] == "ok"

    def test_verify_false_takes_any_certificate(self, ask: Ask, secure_site: Site) -> None:
        assert ask(secure_site.url, verify=False)["text"] == "ok"

    def test_file_of_certificates_that_is_not_there_is_named(self, ask: Ask, secure_site: Site, tmp_path: Path) -> None:
        with pytest.raises(Fault, match=r"^`verify`: `/no/such` cannot be used: No such file or directory$"):
            ask(secure_site.url, verify="/no/such")
        (tmp_path / "empty").write_text("")
        with pytest.raises(Fault, match="it holds no certificate"):
            ask(secure_site.url, verify=str(tmp_path / "empty"))

    def test_server_without_tls_is_no_https_server(self, ask: Ask, site: Site) -> None:
        with pytest.raises(Fault, match="TLS failed: "):
            ask(site.url.replace("http", "https"))

    def test_redirect_from_https_to_http_takes_no_credentials_along(
        self, ask: Ask, secure_site: Site, site: Site
    ) -> None:
        secure_site.redirect("/", f"{site.url}/b")
        ask(f"{secure_site.url}/", verify=False, headers={"Authorization": "Bearer t", "X-Key": "k"})
        assert secure_site.seen[0].headers["X-Key"] == "k"
        assert "X-Key" not in site.seen[0].headers
        assert "Authorization" not in site.seen[0].headers


class Tunnels:
    """A proxy that knows only CONNECT."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                client, _ = self.listener.accept()
                head = client.recv(65536).decode()
                self.asked.append(head)
                host, _, port = head.split()[1].rpartition(":")
                server = socket.create_connection((host, int(port)))
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=(source, target), daemon=True).start()
        except OSError:
            pass


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        source.close()
        target.close()


@pytest.fixture
def tunnels() -> Iterator[Tunnels]:
    made = Tunnels()
    yield made
    made.listener.close()


class TestProxies:
    def test_http_goes_by_the_proxy_of_the_environment(
        self, ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://me:p%40w@127.0.0.1:{site.port}")
        ask("http://example.invalid/a?b=c", headers={"X-A": "1"})
        seen = site.seen[0]
        assert (seen.path, seen.headers["Host"]) == ("http://example.invalid/a?b=c", "example.invalid")
        assert seen.headers["X-A"] == "1"
        assert seen.headers["Proxy-Authorization"] == f"Basic {b64encode(b'me:p@w').decode()}"

    def test_https_goes_through_the_proxy_and_stays_verified(
        self, ask: Ask, secure_site: Site, certificate: Path, tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"me:pw@{tunnels.url}")
        assert ask(secure_site.url, verify=str(certificate), headers={"X-A": "1"})["text"] == "ok"
        assert tunnels.asked[0].startswith(f"CONNECT 127.0.0.1:{secure_site.port} HTTP/1.")
        assert f"Basic {b64encode(b'me:pw').decode()}" in tunnels.asked[0]
        assert "X-A" not in tunnels.asked[0]
        assert "Proxy-Authorization" not in secure_site.seen[0].headers
        with pytest.raises(Fault, match="is not trusted"):
            ask(secure_site.url)

    @pytest.mark.parametrize("named", ["127.0.0.1", "*", "example.org,127.0.0.1"])
    def test_no_proxy_leaves_hosts_out(
        self, ask: Ask, site: Site, tunnels: Tunnels, named: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://{tunnels.url}")
        monkeypatch.setenv("NO_PROXY", named)
        assert ask(site.url)["text"] == "ok"
        assert tunnels.asked == []

    def test_proxy_that_is_not_there_is_a_failure_of_the_connection(
        self, ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        with pytest.raises(Fault, match=r"by the proxy http://127\.0\.0\.1:1: no connection: Connection refused"):
            ask(site.url)

    @pytest.mark.parametrize("value", ["http://[", "http://me:pw@127.0.0.1:99999", "http://", "http:///a"])
    @pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
    def test_proxy_that_is_no_url_names_its_variable(
        self, ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(Fault, match=f"^`{variable}` in the environment is no URL of a proxy$"):
            ask(site.url)
        assert site.seen == []

    def test_proxy_of_another_kind_is_named(self, ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("all_proxy", "socks5://me:pw@127.0.0.1:1")
        with pytest.raises(Fault, match="a proxy that is neither http nor https: `socks5`"):
            ask(site.url)
