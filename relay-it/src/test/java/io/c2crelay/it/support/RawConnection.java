package io.c2crelay.it.support;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
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
 * One connection of the protocol, seen from either side, over the JDK's blocking TLS socket:
 * preamble, TLS 1.3, frames. It checks nothing that the caller does not ask for, and sends whatever
 * it is given.
 */
public final class RawConnection implements AutoCloseable {

  private static final int TIMEOUT_MILLIS = 10_000;

  private final Socket raw;
  private final SSLSocket tls;
  private final byte[] preamble;
  private final byte[] binding;
  private final InputStream in;
  private final OutputStream out;

  private RawConnection(Socket raw, SSLSocket tls, byte[] preamble, byte[] binding)
      throws IOException {
    this.raw = raw;
    this.tls = tls;
    this.preamble = preamble;
    this.binding = binding;
    this.in = tls.getInputStream();
    this.out = tls.getOutputStream();
  }

  /** How a connection ended: the frames that still came, the end, and after how long. */
  public record End(List<RawFrame> frames, Ending ending, Duration after) {}

  /**
   * The agent's side: connects, writes the preamble, does the TLS handshake; trusts any
   * certificate, and takes its hash.
   */
  public static RawConnection open(InetSocketAddress relay, byte[] preamble) {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.connect(relay, TIMEOUT_MILLIS);
      socket.getOutputStream().write(preamble);
      return handshake(socket, preamble);
    } catch (IOException e) {
      closeQuietly(socket);
      throw new AssertionError("no TLS with the relay at " + relay + ": " + e, e);
    }
  }

  /** The agent's side on a socket on which the preamble has been written already. */
  public static RawConnection handshake(Socket socket, byte[] preamble) throws IOException {
    return handshake(socket, preamble, "TLSv1.3");
  }

  /** As above, with another version of TLS. */
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

  /** The relay's side, on a socket from which the preamble has been read. */
  static RawConnection accept(Socket socket, byte[] preamble, RawIdentity identity)
      throws IOException {
    socket.setSoTimeout(TIMEOUT_MILLIS);
    SSLSocket tls =
        (SSLSocket)
            identity.context().getSocketFactory().createSocket(socket, (InputStream) null, false);
    tls.setEnabledProtocols(new String[] {"TLSv1.3"});
    tls.setUseClientMode(false);
    tls.startHandshake();
    return new RawConnection(socket, tls, preamble, identity.binding());
  }

  public byte[] preamble() {
    return preamble.clone();
  }

  /** SHA-256 of the certificate that the server side showed. */
  public byte[] binding() {
    return binding.clone();
  }

  public String protocol() {
    return tls.getSession().getProtocol();
  }

  public InetSocketAddress local() {
    return (InetSocketAddress) raw.getLocalSocketAddress();
  }

  /** The decrypted streams, to pump bytes through. */
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

  /** Any bytes at all, inside TLS. */
  public RawConnection sendBytes(byte[] bytes) {
    try {
      out.write(bytes);
      out.flush();
      return this;
    } catch (IOException e) {
      throw new AssertionError(this + " cannot send: " + e, e);
    }
  }

  /** As {@link #sendBytes}, where the other side may have closed already. */
  public RawConnection trySendBytes(byte[] bytes) {
    try {
      out.write(bytes);
      out.flush();
    } catch (IOException closedAlready) {
      // What the other side did shows when it is read.
    }
    return this;
  }

  /** The next frame, whatever it is; fails if the connection ends. */
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

  /** The next frame, which must be of this type; pings before it are answered. */
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

  /** Frames until the PONG, which is returned. */
  public RawFrame awaitPong() {
    RawFrame frame = read();
    while (frame.type() != Wire.PONG) {
      frame = read();
    }
    return frame;
  }

  /**
   * Whatever comes in this time, which is the last that is read here: a frame may be cut by the end
   * of the time.
   */
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
    } catch (SocketTimeoutException timeIsOver) {
      return frames;
    } catch (IOException e) {
      throw new AssertionError(this + " ended after " + frames + ": " + e, e);
    }
    return frames;
  }

  /** DATA until so many bytes are there, exactly. */
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

  /** Reads until the other side ends the connection; fails if it does not in this time. */
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

  /** TCP FIN without more ado, no TLS alert before it: to cut a frame short. */
  public void finish() {
    try {
      raw.shutdownOutput();
    } catch (IOException e) {
      throw new AssertionError(this + " cannot send FIN", e);
    }
  }

  /** TLS's farewell alone: TCP stays open both ways. */
  public void closeNotify() {
    try {
      tls.shutdownOutput();
    } catch (IOException e) {
      throw new AssertionError(this + " cannot send close_notify", e);
    }
  }

  /** RST. */
  public void reset() {
    try {
      raw.setSoLinger(true, 0);
      raw.close();
    } catch (IOException e) {
      throw new AssertionError(this + " cannot reset", e);
    }
  }

  /** TLS's farewell, then TCP's; does not wait for the peer's, as closing the TLS socket would. */
  @Override
  public void close() {
    try {
      tls.shutdownOutput();
    } catch (IOException ignored) {
      // It ends either way.
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
      // It ends either way.
    }
  }

  /** A context of its own for every connection: no session is ever resumed. */
  private static SSLContext trustAll() {
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
