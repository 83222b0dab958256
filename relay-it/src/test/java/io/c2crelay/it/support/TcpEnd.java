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

/**
 * One end of a TCP connection, blocking, each read bounded in time: a user, or what a target
 * accepted.
 */
public final class TcpEnd implements AutoCloseable {

  private static final int TIMEOUT_MILLIS = 10_000;

  private static final int SMALL = 32 * 1024;

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

  /** A user: connects to this port of the IPv4 loopback. */
  public static TcpEnd connect(int port) {
    return connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
  }

  public static TcpEnd connect(InetSocketAddress address) {
    return connect(new Socket(), address);
  }

  /** A user at another address of the loopback, {@code 127.0.0.2}, say. */
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

  /** Of each read from now on. */
  public TcpEnd timeout(int millis) {
    try {
      socket.setSoTimeout(millis);
      return this;
    } catch (SocketException e) {
      throw failed("cannot set its timeout", e);
    }
  }

  /**
   * The kernel holds little of what this end has not yet read, or not yet got rid of: thousands of
   * ends that stall would use up its memory for TCP, which all connections share.
   */
  public TcpEnd small() {
    try {
      socket.setReceiveBufferSize(SMALL);
      socket.setSendBufferSize(SMALL);
      return this;
    } catch (SocketException e) {
      throw failed("cannot set its buffers", e);
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

  /** Exactly so many bytes. */
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

  /** Everything until FIN; fails on a reset. */
  public byte[] receiveAll() {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try {
      in.transferTo(all);
      return all.toByteArray();
    } catch (IOException e) {
      throw failed("failed after " + all.size() + " bytes", e);
    }
  }

  /** Sends the text, and expects exactly it back. */
  public TcpEnd echo(String text) {
    String back = send(text).receiveText(text.getBytes(StandardCharsets.UTF_8).length);
    if (!back.equals(text)) {
      throw new AssertionError(this + " sent '" + text + "', got '" + back + "'");
    }
    return this;
  }

  /** FIN: nothing more will be sent, reading goes on. */
  public TcpEnd finish() {
    try {
      socket.shutdownOutput();
      return this;
    } catch (IOException e) {
      throw failed("cannot send FIN", e);
    }
  }

  /** RST. */
  public void reset() {
    try {
      socket.setSoLinger(true, 0);
      socket.close();
    } catch (IOException e) {
      throw failed("cannot reset", e);
    }
  }

  /** Reads, and drops what comes, until the connection ends; fails if it does not in this time. */
  public Ending awaitEnd(Duration timeout) {
    long deadline = System.nanoTime() + timeout.toNanos();
    byte[] buffer = new byte[8192];
    long dropped = 0;
    try {
      while (true) {
        long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        if (left <= 0) {
          throw new AssertionError(
              this + " still open after " + timeout.toMillis() + " ms, " + dropped + " bytes");
        }
        socket.setSoTimeout((int) Math.max(1, left));
        int n = in.read(buffer);
        if (n < 0) {
          return Ending.FIN;
        }
        dropped += n;
      }
    } catch (SocketTimeoutException e) {
      throw new AssertionError(
          this + " still open after " + timeout.toMillis() + " ms, " + dropped + " bytes", e);
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
