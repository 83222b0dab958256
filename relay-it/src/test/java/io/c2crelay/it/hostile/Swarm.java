package io.c2crelay.it.hostile;

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
 * Strangers by the thousand on one thread: each connects, says its bytes at once or one after the
 * other, and then ends or stays. What comes back is dropped.
 */
final class Swarm implements AutoCloseable {

  private static final int BACKLOG = 200;
  private static final long TURN_MILLIS = 5;

  /** What a stranger does after its last byte. */
  enum Then {
    STAYS,
    FIN,
    RESET
  }

  private final InetSocketAddress relay;
  private final Selector selector;
  private final Queue<Stranger> coming = new ConcurrentLinkedQueue<>();
  private final List<Stranger> dripping = new ArrayList<>(); // of the thread
  private final AtomicInteger connecting = new AtomicInteger();
  private final AtomicInteger staying = new AtomicInteger();
  private final AtomicInteger ended = new AtomicInteger();
  private final Thread thread;
  private volatile boolean over;
  private volatile Throwable failure;

  private Swarm(InetSocketAddress relay, Selector selector) {
    this.relay = relay;
    this.selector = selector;
    thread = new Thread(this::turn, "swarm");
    thread.setDaemon(true);
    thread.start();
  }

  static Swarm around(InetSocketAddress relay) {
    try {
      return new Swarm(relay, Selector.open());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static final class Stranger {
    final String from;
    final ByteBuffer words;
    final boolean slow;
    final Then then;
    SocketChannel channel;
    SelectionKey key;

    Stranger(String from, byte[] words, boolean slow, Then then) {
      this.from = from;
      this.words = ByteBuffer.wrap(words);
      this.slow = slow;
      this.then = then;
    }
  }

  /** One more, from an address of the loopback, who says all at once. */
  void add(String from, byte[] words, Then then) {
    add(new Stranger(from, words, false, then));
  }

  /** One more, who says a byte every 5 ms, and stays. */
  void addSlow(String from, byte[] words) {
    add(new Stranger(from, words, true, Then.STAYS));
  }

  private void add(Stranger stranger) {
    connecting.incrementAndGet();
    coming.add(stranger);
    selector.wakeup();
  }

  /** Strangers who have not connected yet. */
  int connecting() {
    return connecting.get();
  }

  /** Strangers who stayed and whom the relay has not ended. */
  int staying() {
    return staying.get();
  }

  /** Strangers who stayed until the relay ended them. */
  int ended() {
    return ended.get();
  }

  /** All have connected, or what went wrong. */
  void awaitConnected(Duration timeout) throws InterruptedException {
    long deadline = System.nanoTime() + timeout.toNanos();
    while (connecting.get() > 0) {
      if (failure != null) {
        throw new AssertionError("a stranger failed", failure);
      }
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError(connecting + " strangers not connected");
      }
      TimeUnit.MILLISECONDS.sleep(TURN_MILLIS);
    }
  }

  private void turn() {
    try {
      int underWay = 0;
      while (!over) {
        while (underWay < BACKLOG && !coming.isEmpty()) {
          connect(coming.remove());
          underWay++;
        }
        selector.select(TURN_MILLIS);
        for (SelectionKey key : selector.selectedKeys()) {
          Stranger stranger = (Stranger) key.attachment();
          if (key.isValid() && key.isConnectable()) {
            underWay--;
            connecting.decrementAndGet();
            try {
              connected(stranger);
            } catch (IOException refused) {
              stranger.channel.close(); // by a limit, before it could say a word
            }
          } else if (key.isValid() && key.isReadable()) {
            read(stranger);
          }
        }
        selector.selectedKeys().clear();
        dripping.removeIf(this::dripped);
      }
    } catch (IOException | RuntimeException e) {
      failure = e;
    }
  }

  private void connect(Stranger stranger) throws IOException {
    stranger.channel = SocketChannel.open();
    stranger.channel.configureBlocking(false);
    stranger.channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    stranger.channel.bind(new InetSocketAddress(stranger.from, 0));
    stranger.channel.connect(relay);
    stranger.key = stranger.channel.register(selector, SelectionKey.OP_CONNECT, stranger);
  }

  private void connected(Stranger stranger) throws IOException {
    stranger.channel.finishConnect();
    if (stranger.slow) {
      dripping.add(stranger);
      stay(stranger);
      return;
    }
    stranger.channel.write(stranger.words); // few bytes: there is room for them
    switch (stranger.then) {
      case STAYS -> stay(stranger);
      case FIN -> {
        stranger.channel.shutdownOutput();
        stranger.key.interestOps(SelectionKey.OP_READ);
      }
      case RESET -> {
        stranger.channel.setOption(StandardSocketOptions.SO_LINGER, 0);
        stranger.channel.close();
      }
    }
  }

  private void stay(Stranger stranger) {
    staying.incrementAndGet();
    stranger.key.interestOps(SelectionKey.OP_READ);
  }

  private void read(Stranger stranger) {
    ByteBuffer dropped = ByteBuffer.allocate(4096);
    try {
      if (stranger.channel.read(dropped) >= 0) {
        return;
      }
    } catch (IOException reset) {
      // the other way to end it
    }
    end(stranger);
  }

  private void end(Stranger stranger) {
    if (stranger.then == Then.STAYS) {
      staying.decrementAndGet();
      ended.incrementAndGet();
    }
    try {
      stranger.channel.close();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Says the next byte; whether there is no other. */
  private boolean dripped(Stranger stranger) {
    if (!stranger.channel.isOpen() || !stranger.words.hasRemaining()) {
      return true;
    }
    try {
      ByteBuffer one = stranger.words.slice().limit(1);
      if (stranger.channel.write(one) == 1) {
        stranger.words.get();
      }
    } catch (IOException ended) {
      return true; // reading tells
    }
    return false;
  }

  @Override
  public void close() throws IOException {
    over = true;
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
      throw new AssertionError("a stranger failed", failure);
    }
  }
}
