package io.c2crelay.it.support;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** One end of a blocking TCP connection, with a read timeout: a user's or a target's. */
public final class TcpEnd implements AutoCloseable {

  private static final int TIMEOUT_MILLIS = 10_000;
  private static final int SMALL_BUFFER = 32 * 1024;

  private final Socket socket;
  private final InputStream in;
  private final OutputStream out;

  private TcpEnd(Socket socket) throws IOException {
    this.socket = socket;
    socket.setSoTimeout(TIMEOUT_MILLIS);
    socket.setTcpNoDelay(true);
    this.in = socket.getInputStream();
    this.out = socket.getOutputStream();
  }

  static TcpEnd of(Socket socket) throws IOException {
    return new TcpEnd(socket);
  }

  /** Connects a user to this port on IPv4 loopback. */
  public static TcpEnd connect(int port) {
    return connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
  }

  public static TcpEnd connect(InetSocketAddress address) {
    return connect(new Socket(), address);
  }

  /** Connects a user from another loopback address, such as {@code 127.0.0.2}. */
  public static TcpEnd connectFrom(String from, InetSocketAddress address) {
    Socket socket = new Socket();
    try {
      socket.bind(new InetSocketAddress(from, 0));
    } catch (IOException e) {
      throw new AssertionError("cannot bind " + from + ": " + e, e);
    }
    return connect(socket, address);
  }

  private static TcpEnd connect(Socket socket, InetSocketAddress address) {
    try {
      socket.connect(address, TIMEOUT_MILLIS);
      return new TcpEnd(socket);
    } catch (IOException e) {
      throw new AssertionError("cannot connect to " + address + ": " + e, e);
    }
  }

  /** Sets the timeout of later reads. */
  public TcpEnd timeout(int millis) {
    try {
      socket.setSoTimeout(millis);
      return this;
    } catch (SocketException e) {
      throw failed("cannot set the timeout", e);
    }
  }

  /**
   * Sets small socket buffers: thousands of stalled connections would exhaust the kernel's TCP
   * memory ({@code tcp_mem}, tcp(7)).
   */
  public TcpEnd withSmallBuffers() {
    try {
      socket.setReceiveBufferSize(SMALL_BUFFER);
      socket.setSendBufferSize(SMALL_BUFFER);
      return this;
    } catch (SocketException e) {
      throw failed("cannot set the buffer sizes", e);
    }
  }

  public Socket socket() {
    return socket;
  }

  public int localPort() {
    return socket.getLocalPort();
  }

  public InputStream in() {
    return in;
  }

  public OutputStream out() {
    return out;
  }

  public TcpEnd send(byte[] bytes) {
    try {
      out.write(bytes);
      out.flush();
      return this;
    } catch (IOException e) {
      throw failed("cannot send " + bytes.length + " bytes", e);
    }
  }

  public TcpEnd send(String text) {
    return send(text.getBytes(StandardCharsets.UTF_8));
  }

  /** Reads exactly {@code count} bytes. */
  public byte[] receive(int count) {
    byte[] bytes = new byte[count];
    int done = 0;
    try {
      while (done < count) {
        int n = in.read(bytes, done, count - done);
        if (n < 0) {
          throw new AssertionError(this + " got FIN after " + done + " of " + count + " bytes");
        }
        done += n;
      }
      return bytes;
    } catch (IOException e) {
      throw failed("failed after " + done + " of " + count + " bytes", e);
    }
  }

  public String receiveText(int count) {
    return new String(receive(count), StandardCharsets.UTF_8);
  }

  /** Reads until FIN; fails on a reset. */
  public byte[] receiveAll() {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try {
      in.transferTo(all);
      return all.toByteArray();
    } catch (IOException e) {
      throw failed("failed after " + all.size() + " bytes", e);
    }
  }

  /** As {@link #receiveAll}. */
  public String receiveAllText() {
    return new String(receiveAll(), StandardCharsets.UTF_8);
  }

  /** Sends FIN; fails unless FIN comes back, without a byte before it. */
  public void finishCleanly() {
    byte[] rest = finish().receiveAll();
    if (rest.length > 0) {
      throw new AssertionError(this + " got " + rest.length + " bytes before FIN");
    }
  }

  /** Sends the text and fails unless the same text comes back. */
  public TcpEnd echo(String text) {
    String back = send(text).receiveText(text.getBytes(StandardCharsets.UTF_8).length);
    if (!back.equals(text)) {
      throw new AssertionError(this + " sent '" + text + "', got '" + back + "'");
    }
    return this;
  }

  /** Sends FIN; reading continues. */
  public TcpEnd finish() {
    try {
      socket.shutdownOutput();
      return this;
    } catch (IOException e) {
      throw failed("cannot send FIN", e);
    }
  }

  /** Sends RST. */
  public void reset() {
    try {
      socket.setSoLinger(true, 0);
      socket.close();
    } catch (IOException e) {
      throw failed("cannot reset", e);
    }
  }

  /** Discards input until the connection ends; fails at the timeout. */
  public Ending awaitEnd(Duration timeout) {
    long deadline = System.nanoTime() + timeout.toNanos();
    byte[] buffer = new byte[8192];
    long discarded = 0;
    try {
      while (true) {
        long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        if (left <= 0) {
          throw new AssertionError(
              this + " still open after " + timeout.toMillis() + " ms, " + discarded + " bytes");
        }
        socket.setSoTimeout((int) Math.max(1, left));
        int n = in.read(buffer);
        if (n < 0) {
          return Ending.FIN;
        }
        discarded += n;
      }
    } catch (SocketTimeoutException e) {
      throw new AssertionError(
          this + " still open after " + timeout.toMillis() + " ms, " + discarded + " bytes", e);
    } catch (SocketException e) {
      return Ending.RESET;
    } catch (IOException e) {
      throw failed("failed", e);
    }
  }

  private AssertionError failed(String what, IOException e) {
    return new AssertionError(this + " " + what + ": " + e, e);
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      throw failed("cannot close", e);
    }
  }

  @Override
  public String toString() {
    return "TCP end " + socket.getLocalSocketAddress() + " -> " + socket.getRemoteSocketAddress();
  }
}
