package io.c2crelay.it.hostile;

import io.c2crelay.it.support.Async;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Thousands of hostile connections on one thread. Each connects, sends its payload at once or byte
 * by byte, then closes or stays open. Received bytes are dropped.
 */
final class ConnectionFlood implements AutoCloseable {

  private static final int MAX_CONNECTING = 200;
  private static final long TICK_MILLIS = 5;

  /** How a connection is closed after its payload. */
  enum Close {
    NONE,
    FIN,
    RESET
  }

  private final InetSocketAddress relay;
  private final Selector selector;
  private final Queue<Client> pending = new ConcurrentLinkedQueue<>();
  private final List<Client> trickling = new ArrayList<>(); // used by the thread only
  private final AtomicInteger connecting = new AtomicInteger();
  private final AtomicInteger open = new AtomicInteger();
  private final Thread thread;
  private volatile boolean closed;
  private volatile Throwable failure;

  private ConnectionFlood(InetSocketAddress relay, Selector selector) {
    this.relay = relay;
    this.selector = selector;
    thread = Async.start("connection-flood", this::run);
  }

  static ConnectionFlood start(InetSocketAddress relay) {
    try {
      return new ConnectionFlood(relay, Selector.open());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** The i-th of so many loopback addresses in turn, which begin with 127.0.0.1. */
  static String address(int i, int count) {
    return i % count == 0 ? "127.0.0.1" : "127.0.1." + i % count;
  }

  private static final class Client {
    final String from;
    final ByteBuffer payload;
    final boolean slow;
    final Close close;
    SocketChannel channel;
    SelectionKey key;

    Client(String from, byte[] payload, boolean slow, Close close) {
      this.from = from;
      this.payload = ByteBuffer.wrap(payload);
      this.slow = slow;
      this.close = close;
    }
  }

  /**
   * Adds a connection that sends its payload at once.
   *
   * @param from a loopback address
   */
  void add(String from, byte[] payload, Close close) {
    add(new Client(from, payload, false, close));
  }

  /** Adds a connection that sends a byte every 5 ms and stays open. */
  void addSlow(String from, byte[] payload) {
    add(new Client(from, payload, true, Close.NONE));
  }

  private void add(Client client) {
    connecting.incrementAndGet();
    pending.add(client);
    selector.wakeup();
  }

  /** The number of connections not yet established. */
  int connecting() {
    return connecting.get();
  }

  /** The number of connections that stay open and that the relay has not closed. */
  int open() {
    return open.get();
  }

  /** Waits until all connections are established. */
  void awaitConnected(Duration timeout) throws InterruptedException {
    long deadline = System.nanoTime() + timeout.toNanos();
    while (connecting.get() > 0) {
      if (failure != null) {
        throw new AssertionError("a client failed", failure);
      }
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError(connecting + " connections not established");
      }
      TimeUnit.MILLISECONDS.sleep(TICK_MILLIS);
    }
  }

  private void run() {
    try {
      int connectingNow = 0;
      while (!closed) {
        while (connectingNow < MAX_CONNECTING && !pending.isEmpty()) {
          connect(pending.remove());
          connectingNow++;
        }
        selector.select(TICK_MILLIS);
        for (SelectionKey key : selector.selectedKeys()) {
          Client client = (Client) key.attachment();
          if (key.isValid() && key.isConnectable()) {
            connectingNow--;
            connecting.decrementAndGet();
            try {
              connected(client);
            } catch (IOException reset) {
              client.channel.close(); // reset by a limit of the relay
            }
          } else if (key.isValid() && key.isReadable()) {
            read(client);
          }
        }
        selector.selectedKeys().clear();
        trickling.removeIf(this::writeByte);
      }
    } catch (IOException | RuntimeException e) {
      failure = e;
    }
  }

  private void connect(Client client) throws IOException {
    client.channel = SocketChannel.open();
    client.channel.configureBlocking(false);
    client.channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    client.channel.bind(new InetSocketAddress(client.from, 0));
    client.channel.connect(relay);
    client.key = client.channel.register(selector, SelectionKey.OP_CONNECT, client);
  }

  private void connected(Client client) throws IOException {
    client.channel.finishConnect();
    if (client.slow) {
      trickling.add(client);
      keepOpen(client);
      return;
    }
    client.channel.write(client.payload); // fits in the send buffer
    switch (client.close) {
      case NONE -> keepOpen(client);
      case FIN -> {
        client.channel.shutdownOutput();
        client.key.interestOps(SelectionKey.OP_READ);
      }
      case RESET -> {
        client.channel.setOption(StandardSocketOptions.SO_LINGER, 0);
        client.channel.close();
      }
    }
  }

  private void keepOpen(Client client) {
    open.incrementAndGet();
    client.key.interestOps(SelectionKey.OP_READ);
  }

  private void read(Client client) {
    ByteBuffer dropped = ByteBuffer.allocate(4096);
    try {
      if (client.channel.read(dropped) >= 0) {
        return;
      }
    } catch (IOException reset) {
      // closed by reset
    }
    end(client);
  }

  private void end(Client client) {
    if (client.close == Close.NONE) {
      open.decrementAndGet();
    }
    try {
      client.channel.close();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Writes the next byte; returns whether the connection is done. */
  private boolean writeByte(Client client) {
    if (!client.channel.isOpen() || !client.payload.hasRemaining()) {
      return true;
    }
    try {
      ByteBuffer one = client.payload.slice().limit(1);
      if (client.channel.write(one) == 1) {
        client.payload.get();
      }
    } catch (IOException closedByPeer) {
      return true; // the read handles the close
    }
    return false;
  }

  @Override
  public void close() throws IOException {
    closed = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    for (SelectionKey key : selector.keys()) {
      key.channel().close();
    }
    selector.close();
    if (failure != null) {
      throw new AssertionError("a client failed", failure);
    }
  }
}
