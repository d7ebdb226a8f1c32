//! A connection's bytes, in clear or under TLS.

use crate::certificate;
use crate::tls::Shown;
use rustls::ProtocolVersion;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// See the module.
#[derive(Debug)]
pub(crate) enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<TlsStream<TcpStream>>, Arc<Shown>),
}

impl Stream {
    /// The version of TLS, for the log.
    pub(crate) fn tls_version(&self) -> &'static str {
        match self {
            Self::Plain(_) => "none",
            Self::Tls(stream, _) => match stream.get_ref().1.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
                Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
                _ => "unknown",
            },
        }
    }

    /// `tls-exporter` of the connection (RFC 9266). Of TLS 1.3 only: with 1.2 it binds nothing
    /// unless both sides use the extended master secret, which cannot be told here.
    pub(crate) fn tls_exporter(&self) -> Option<[u8; 32]> {
        let Self::Tls(stream, _) = self else { return None };
        let connection = stream.get_ref().1;
        (connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)).then_some(())?;
        connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).ok()
    }

    /// `tls-server-end-point` of the certificate that the client was shown (RFC 5929 section 4).
    /// `None` also for signatures without a hash of their own, such as Ed25519's.
    pub(crate) fn tls_server_end_point(&self) -> Option<Vec<u8>> {
        let Self::Tls(_, shown) = self else { return None };
        certificate::end_point(shown.certificate()?)
    }

    /// The certificate that the client showed, which was found good; DER.
    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        let Self::Tls(stream, _) = self else { return None };
        stream.get_ref().1.peer_certificates()?.first().map(|certificate| &certificate[..])
    }

    /// Waits until the client hung up, whatever it sent before that. Of a client under TLS that
    /// only says so and keeps the connection, nothing is seen.
    pub(crate) async fn hung_up(&self) {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream, _) => stream.get_ref().0,
        };
        // Nobody sends urgent data; the end of what comes is told together with it.
        let ready = socket.ready(Interest::PRIORITY).await;
        if !ready.is_ok_and(|ready| ready.is_read_closed()) {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the client's side of the connection has ended, as far as the system has noticed;
    /// what came before that may still have to be read.
    pub(crate) fn has_ended(&self) -> bool {
        let socket = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream, _) => stream.get_ref().0,
        };
        let ready = std::pin::pin!(socket.ready(Interest::READABLE));
        let ready = ready.poll(&mut Context::from_waker(std::task::Waker::noop()));
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Waits for bytes and hands them to `take`; the number of bytes, 0 at the end.
    ///
    /// The buffer lives while something is read and no longer: a connection that waits has
    /// none.
    pub(crate) async fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        std::future::poll_fn(|context| {
            let mut space = [0_u8; 16 * 1024];
            let mut buffer = ReadBuf::new(&mut space);
            let polled = Pin::new(&mut *self).poll_read(context, &mut buffer);
            self.answer_by_tls(context);
            match polled {
                Poll::Ready(Ok(())) => {
                    take(buffer.filled());
                    Poll::Ready(Ok(buffer.filled().len()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Stream {
    /// Sends what TLS itself has to say to what was read, such as the alert that a renegotiation
    /// is refused with (RFC 5246 section 7.2.2): the client waits for it.
    fn answer_by_tls(&mut self, context: &mut Context<'_>) {
        let Self::Tls(stream, _) = self else { return };
        if stream.get_ref().1.wants_write() {
            // The socket wakes this task when there is room; that it broke is seen at the next
            // write, and what was read before counts.
            let _ = Pin::new(stream).poll_flush(context);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream, _) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream, _) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream, _) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Certificate, ClientCertificates, Configuration};
    use crate::tls;
    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use sha2::{Digest, Sha256};
    use std::path::Path;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate for clients, with its serial number.
    fn client(authority: &Authority, serial: u64) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.serial_number = Some(serial.into());
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.signed_by(&key, authority).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// Writes a certificate for a name and its key.
    fn server(authority: &Authority, dir: &Path, name: &str) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let files = ["pem", "key"].map(|end| dir.join(format!("{name}.{end}")));
        std::fs::write(&files[0], parameters.signed_by(&key, authority).unwrap().pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        let [certificate, key] = files;
        Certificate { names: vec![name.to_owned()], certificate, key }
    }

    fn revoked(authority: &Authority, serial: u64) -> String {
        let entry = rcgen::RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2100, 1, 1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![entry],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(authority).unwrap().pem().unwrap()
    }

    /// Both ends of a connection to `name`; `None`: the server would not have it.
    async fn connect(
        server: &Arc<rustls::ServerConfig>,
        client: &Arc<rustls::ClientConfig>,
        name: &str,
    ) -> Option<(Stream, tokio_rustls::client::TlsStream<TcpStream>)> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connecting = async {
            let socket = TcpStream::connect(address).await.unwrap();
            TlsConnector::from(client.clone()).connect(name, socket).await
        };
        let accepting = async {
            let (config, shown) = tls::for_connection(server, b"imap");
            let (socket, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(config).accept(socket).await.ok()?;
            stream.write_all(b"x").await.unwrap();
            stream.flush().await.unwrap();
            Some(Stream::Tls(Box::new(stream), shown))
        };
        let (connected, accepted) = tokio::join!(connecting, accepting);
        let (accepted, mut connected) = (accepted?, connected.unwrap());
        // Tickets come before the first byte.
        connected.read_u8().await.unwrap();
        Some((accepted, connected))
    }

    fn configuration(dir: &Path, certificates: [Certificate; 2]) -> Configuration {
        let text = "[mail]\nmaildir = \"/m/%u\"\n[[users]]\npasswd-file = \"/u\"\n[login]\ncleartext-from = [\"::1\"]\n[[listen]]\naddress = \"127.0.0.1:1\"\ntls = \"starttls\"\n";
        let read = crate::settings::read_text(&dir.join("r.toml"), text);
        let mut configuration = read.expect("settings that are right");
        let [default, more] = certificates;
        configuration.certificate = Some(default);
        configuration.more_certificates = vec![more];
        configuration
    }

    fn client_config(
        authority: &Authority,
        version: &'static rustls::SupportedProtocolVersion,
        certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match certificate {
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }

    #[tokio::test]
    async fn both_ends_bind_to_the_same_and_to_the_certificate_that_was_shown() {
        let (dir, authority) = (tempfile::tempdir().unwrap(), authority());
        let names = ["a.example", "b.example"].map(|name| server(&authority, dir.path(), name));
        let server = tls::configure(&configuration(dir.path(), names)).unwrap().unwrap();
        for (version, has_exporter) in [(&rustls::version::TLS13, true), (&rustls::version::TLS12, false)] {
            let client = client_config(&authority, version, None);
            // The second connection to a name resumes the first's session.
            for (name, is_resumed) in
                [("a.example", false), ("b.example", false), ("a.example", true), ("b.example", true)]
            {
                let (ours, theirs) = connect(&server, &client, name).await.unwrap();
                let theirs = theirs.get_ref().1;
                let kind = theirs.handshake_kind();
                assert_eq!(kind == Some(rustls::HandshakeKind::Resumed), is_resumed, "{name} {version:?}");
                let exported = theirs.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None);
                assert_eq!(ours.tls_exporter(), has_exporter.then(|| exported.unwrap()));
                let hash = Sha256::digest(&theirs.peer_certificates().unwrap()[0]).to_vec();
                assert_eq!(ours.tls_server_end_point(), Some(hash), "{name} {version:?}");
                assert_eq!(ours.client_certificate(), None);
            }
        }
    }

    #[tokio::test]
    async fn certificates_of_clients() {
        let (dir, ours, stranger) = (tempfile::tempdir().unwrap(), authority(), authority());
        let (ca, crl) = (dir.path().join("ca.pem"), dir.path().join("crl.pem"));
        std::fs::write(&ca, ours.pem()).unwrap();
        std::fs::write(&crl, revoked(&ours, 66)).unwrap();
        let names = ["a.example", "b.example"].map(|name| server(&ours, dir.path(), name));
        let mut settings = configuration(dir.path(), names);
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            for (required, certificate, expected) in [
                (false, None, Some(None)),
                (true, None, None),
                (false, Some(client(&ours, 7)), Some(Some(()))),
                (true, Some(client(&ours, 7)), Some(Some(()))),
                (false, Some(client(&ours, 66)), None),
                (false, Some(client(&stranger, 7)), None),
            ] {
                let (ca, crl) = (ca.clone(), Some(crl.clone()));
                settings.client_certificates = Some(ClientCertificates { ca, crl, required });
                let server = tls::configure(&settings).unwrap().unwrap();
                let client = client_config(&ours, version, certificate);
                // Never resumed: a certificate is looked at each time.
                for _ in 0..2 {
                    let connected = connect(&server, &client, "a.example").await;
                    let kind = connected.as_ref().map(|(_, theirs)| theirs.get_ref().1.handshake_kind());
                    assert_ne!(kind, Some(Some(rustls::HandshakeKind::Resumed)));
                    let shown = connected.as_ref().map(|(ours, _)| ours.client_certificate().map(|_| ()));
                    assert_eq!(shown, expected, "{version:?} {required}");
                }
            }
        }
    }
}
