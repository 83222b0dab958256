package io.c2crelay.it.support;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Either end of one protocol connection over the JDK's blocking TLS socket: preamble, TLS 1.3,
 * frames. Sends arbitrary bytes and checks only what the caller asks for.
 */
public final class RawConnection implements AutoCloseable {

  private static final int TIMEOUT_MILLIS = 10_000;

  private final Socket raw;
  private final SSLSocket tls;
  private final byte[] preamble;
  private final byte[] channelBinding;
  private final InputStream in;
  private final OutputStream out;

  private RawConnection(Socket raw, SSLSocket tls, byte[] preamble, byte[] channelBinding)
      throws IOException {
    this.raw = raw;
    this.tls = tls;
    this.preamble = preamble;
    this.channelBinding = channelBinding;
    this.in = tls.getInputStream();
    this.out = tls.getOutputStream();
  }

  /** How a connection ended: the last frames, the kind of end, and the time until then. */
  public record End(List<RawFrame> frames, Ending ending, Duration after) {}

  /** Connects as an agent: preamble, then TLS; accepts any certificate. */
  public static RawConnection open(InetSocketAddress relay, byte[] preamble) {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.connect(relay, TIMEOUT_MILLIS);
      socket.getOutputStream().write(preamble);
      return handshake(socket, preamble);
    } catch (IOException e) {
      closeQuietly(socket);
      throw new AssertionError("TLS handshake with the relay at " + relay + " failed: " + e, e);
    }
  }

  /** Performs the agent's TLS handshake on a socket on which the preamble was sent. */
  public static RawConnection handshake(Socket socket, byte[] preamble) throws IOException {
    return handshake(socket, preamble, "TLSv1.3");
  }

  /** As above, with this version of TLS. */
  public static RawConnection handshake(Socket socket, byte[] preamble, String version)
      throws IOException {
    socket.setSoTimeout(TIMEOUT_MILLIS);
    SSLSocket tls =
        (SSLSocket) trustAll().getSocketFactory().createSocket(socket, "relay.invalid", 0, false);
    tls.setEnabledProtocols(new String[] {version});
    tls.setUseClientMode(true);
    tls.startHandshake();
    X509Certificate certificate = (X509Certificate) tls.getSession().getPeerCertificates()[0];
    try {
      return new RawConnection(
          socket, tls, preamble, Bulk.sha256().digest(certificate.getEncoded()));
    } catch (java.security.cert.CertificateEncodingException e) {
      throw new AssertionError(e);
    }
  }

  /** Performs the relay's TLS handshake on a socket from which the preamble was read. */
  static RawConnection accept(Socket socket, byte[] preamble, RawIdentity identity)
      throws IOException {
    socket.setSoTimeout(TIMEOUT_MILLIS);
    SSLSocket tls =
        (SSLSocket)
            identity.context().getSocketFactory().createSocket(socket, (InputStream) null, false);
    tls.setEnabledProtocols(new String[] {"TLSv1.3"});
    tls.setUseClientMode(false);
    tls.startHandshake();
    return new RawConnection(socket, tls, preamble, identity.channelBinding());
  }

  public byte[] preamble() {
    return preamble.clone();
  }

  /** The tls-server-end-point channel binding (RFC 5929): SHA-256 of the server's certificate. */
  public byte[] channelBinding() {
    return channelBinding.clone();
  }

  public String protocol() {
    return tls.getSession().getProtocol();
  }

  public InetSocketAddress local() {
    return (InetSocketAddress) raw.getLocalSocketAddress();
  }

  /** The decrypted stream. */
  InputStream in() {
    return in;
  }

  OutputStream out() {
    return out;
  }

  Socket socket() {
    return raw;
  }

  public RawConnection send(int type, byte[]... payload) {
    return send(RawFrame.of(type, payload));
  }

  public RawConnection send(RawFrame frame) {
    return sendBytes(frame.bytes());
  }

  /** Sends arbitrary bytes inside TLS. */
  public RawConnection sendBytes(byte[] bytes) {
    try {
      out.write(bytes);
      out.flush();
      return this;
    } catch (IOException e) {
      throw new AssertionError(this + " cannot send: " + e, e);
    }
  }

  /** As {@link #sendBytes}, but ignores errors: the peer may have closed already. */
  public RawConnection trySendBytes(byte[] bytes) {
    try {
      out.write(bytes);
      out.flush();
    } catch (IOException ignored) {
      // The next read shows how the connection ended.
    }
    return this;
  }

  /** The next frame of any type; fails if the connection ends. */
  public RawFrame read() {
    try {
      RawFrame frame = readFrame();
      if (frame == null) {
        throw new AssertionError(this + " got FIN, expected a frame");
      }
      return frame;
    } catch (IOException e) {
      throw new AssertionError(this + " expected a frame, got " + e, e);
    }
  }

  /** The next frame, which must be of this type; answers PINGs before it. */
  public RawFrame expect(int type) {
    while (true) {
      RawFrame frame = read();
      if (frame.type() == type) {
        return frame;
      }
      if (frame.type() == Wire.PING) {
        send(Wire.PONG, frame.payload());
      } else {
        throw new AssertionError(
            String.format("%s expected frame %02x, got %s", this, type, frame));
      }
    }
  }

  /** Skips frames until a PONG, which it returns. */
  public RawFrame awaitPong() {
    RawFrame frame = read();
    while (frame.type() != Wire.PONG) {
      frame = read();
    }
    return frame;
  }

  /** All frames within this time. No read may follow: the timeout may cut a frame. */
  public List<RawFrame> readFor(Duration time) {
    long deadline = System.nanoTime() + time.toNanos();
    List<RawFrame> frames = new ArrayList<>();
    try {
      for (long left = time.toMillis(); left > 0; ) {
        raw.setSoTimeout((int) left);
        RawFrame frame = readFrame();
        if (frame == null) {
          throw new AssertionError(this + " got FIN after " + frames);
        }
        frames.add(frame);
        left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
      }
    } catch (SocketTimeoutException expected) {
      return frames;
    } catch (IOException e) {
      throw new AssertionError(this + " ended after " + frames + ": " + e, e);
    }
    return frames;
  }

  /** Reads DATA frames with exactly {@code length} bytes in total. */
  public byte[] expectData(int length) {
    byte[] all = new byte[0];
    while (all.length < length) {
      all = Wire.concat(all, expect(Wire.DATA).payload());
    }
    if (all.length != length) {
      throw new AssertionError("expected " + length + " bytes of data, got " + all.length);
    }
    return all;
  }

  /** As {@link #expectData}. */
  public String expectText(int length) {
    return new String(expectData(length), StandardCharsets.UTF_8);
  }

  /** Reads until the peer ends the connection; fails at the timeout. */
  public End awaitEnd(Duration timeout) {
    long begin = System.nanoTime();
    long deadline = begin + timeout.toNanos();
    List<RawFrame> frames = new ArrayList<>();
    try {
      while (true) {
        long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        raw.setSoTimeout((int) Math.max(1, left));
        RawFrame frame = readFrame();
        if (frame == null) {
          return new End(frames, Ending.FIN, since(begin));
        }
        frames.add(frame);
        if (left <= 0) {
          throw new AssertionError(
              this + " still open after " + timeout.toMillis() + " ms, got " + frames);
        }
      }
    } catch (SocketTimeoutException e) {
      throw new AssertionError(
          this + " still open after " + timeout.toMillis() + " ms, got " + frames, e);
    } catch (EOFException e) {
      return new End(frames, Ending.FIN, since(begin));
    } catch (IOException e) {
      return new End(frames, wasReset(e) ? Ending.RESET : Ending.FIN, since(begin));
    }
  }

  /** Sends FIN without close_notify, to truncate a frame. */
  public void finish() {
    try {
      raw.shutdownOutput();
    } catch (IOException e) {
      throw new AssertionError(this + " cannot send FIN", e);
    }
  }

  /** Sends close_notify only: TCP stays open in both directions. */
  public void closeNotify() {
    try {
      tls.shutdownOutput();
    } catch (IOException e) {
      throw new AssertionError(this + " cannot send close_notify", e);
    }
  }

  /** Sends RST. */
  public void reset() {
    try {
      raw.setSoLinger(true, 0);
      raw.close();
    } catch (IOException e) {
      throw new AssertionError(this + " cannot reset", e);
    }
  }

  /**
   * Sends close_notify and FIN; does not wait for the peer's close_notify, as closing the TLS
   * socket does.
   */
  @Override
  public void close() {
    try {
      tls.shutdownOutput();
    } catch (IOException ignored) {
      // Closed anyway.
    }
    closeQuietly(raw);
  }

  @Override
  public String toString() {
    return "raw connection " + raw.getLocalSocketAddress() + " -> " + raw.getRemoteSocketAddress();
  }

  private RawFrame readFrame() throws IOException {
    byte[] header = in.readNBytes(4);
    if (header.length == 0) {
      return null;
    }
    if (header.length < 4) {
      throw new EOFException("FIN within a frame's header");
    }
    int length = (header[1] & 0xFF) << 16 | (header[2] & 0xFF) << 8 | header[3] & 0xFF;
    byte[] payload = in.readNBytes(length);
    if (payload.length < length) {
      throw new EOFException("FIN within a frame's payload");
    }
    return new RawFrame(header[0] & 0xFF, payload);
  }

  private static Duration since(long begin) {
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  private static boolean wasReset(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof SocketException) {
        return true;
      }
    }
    return false;
  }

  private static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException ignored) {
      // Closed anyway.
    }
  }

  /**
   * Accepts any certificate, as an agent does. One context per connection, to prevent session
   * resumption.
   */
  public static SSLContext trustAll() {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, new TrustManager[] {new TrustAll()}, null);
      return context;
    } catch (java.security.GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static final class TrustAll extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
