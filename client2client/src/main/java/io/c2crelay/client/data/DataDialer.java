package io.c2crelay.client.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.client.connect.RelayConnector;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Opens the data connections that one control connection asks for, and closes those without a
 * session when it ends. Its state lives on the control connection's loop; data connections are
 * spread over all loops.
 */
public final class DataDialer {
  private final EventExecutor loop;
  private final EventLoopGroup loops;
  private final RelayConnector connector;
  private final SessionStarter sessions;
  private final InetSocketAddress relay;
  private final byte[] binding;
  private final DialReport report;
  private final Deque<Frame.Dial.Ticket> queued = new ArrayDeque<>();
  private final ChannelGroup withoutSession;
  private final HandshakeLimit limit;
  private int inHandshake;
  private boolean closed;
  private @Nullable Promise<Void> drained;

  /**
   * @param loop the control connection's
   * @param relay where the control connection went, so that data goes to the same relay
   * @param binding of the certificate that the control connection was authenticated with
   */
  public DataDialer(
      EventLoop loop,
      EventLoopGroup loops,
      RelayConnector connector,
      SessionStarter sessions,
      InetSocketAddress relay,
      byte[] binding,
      DialReport report) {
    this.loop = requireNonNull(loop, "loop");
    this.loops = requireNonNull(loops, "loops");
    this.connector = requireNonNull(connector, "connector");
    this.sessions = requireNonNull(sessions, "sessions");
    this.relay = requireNonNull(relay, "relay");
    this.binding = binding.clone();
    this.report = requireNonNull(report, "report");
    withoutSession = new DefaultChannelGroup(loop, true);
    limit = new HandshakeLimit(loop.ticker().nanoTime());
  }

  /** Opens a connection for each ticket. On the control connection's loop. */
  public void dial(Frame.Dial dial) {
    for (Frame.Dial.Ticket ticket : dial.tickets()) {
      if (closed || queued.size() >= RelayProtocol.MAX_TOKENS) {
        report.failed(ticket.token(), closed ? ReasonCode.DRAINING : ReasonCode.LIMIT);
      } else {
        queued.add(ticket);
      }
    }
    dialQueued();
  }

  private void dialQueued() {
    while (limit.allows(inHandshake) && !queued.isEmpty()) {
      inHandshake++;
      new DataDial(this, queued.remove(), loops.next()).begin();
    }
  }

  /** A dial is over, one way or the other. On any thread. */
  void over(DataDial dial, boolean worked, ReasonCode reason) {
    loop.execute(
        () -> {
          if (worked) {
            long now = loop.ticker().nanoTime();
            limit.succeeded(now - dial.beganNanos(), inHandshake, now);
          } else if (!closed) {
            report.failed(dial.ticket().token(), reason);
          }
          inHandshake--;
          dialQueued();
        });
  }

  /**
   * Takes no more dials and closes the connections that have no session; sessions go on. On the
   * loop.
   */
  public void close() {
    closed = true;
    queued.clear();
    withoutSession.close();
  }

  /**
   * As {@link #close}, but leaves it to the relay to close the connections that it has given out to
   * no one, and closes those left after a while. On the loop.
   *
   * @return completes when all are closed or have a session
   */
  public Future<Void> drain(long seconds) {
    closed = true;
    queued.clear();
    drained = loop.newPromise();
    Future<?> patience = loop.schedule(() -> withoutSession.close(), seconds, TimeUnit.SECONDS);
    drained.addListener(done -> patience.cancel(false));
    endDrainIfDone();
    return drained;
  }

  private void endDrainIfDone() {
    if (drained != null && withoutSession.isEmpty()) {
      drained.trySuccess(null);
    }
  }

  /** A connection that has no session yet. On any thread. */
  void opened(Channel data) {
    withoutSession.add(data);
    data.closeFuture().addListener(over -> leftGroup());
  }

  /** The connection has a session: it is on its own now. On any thread. */
  void taken(Channel data) {
    withoutSession.remove(data);
    leftGroup();
  }

  private void leftGroup() {
    loop.execute(this::endDrainIfDone);
  }

  RelayConnector connector() {
    return connector;
  }

  SessionStarter sessions() {
    return sessions;
  }

  InetSocketAddress relay() {
    return relay;
  }

  byte[] binding() {
    return binding.clone();
  }
}
