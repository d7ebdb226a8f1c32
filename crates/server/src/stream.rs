//! A connection's bytes, in clear or under TLS.

use crate::certificate;
use crate::tls::Shown;
use rustls::ProtocolVersion;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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

    /// Waits for bytes and hands them to `take`; the number of bytes, 0 at the end.
    ///
    /// The buffer lives while something is read and no longer: a connection that waits has
    /// none.
    pub(crate) async fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        std::future::poll_fn(|context| {
            let mut space = [0_u8; 16 * 1024];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut *self).poll_read(context, &mut buffer) {
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
