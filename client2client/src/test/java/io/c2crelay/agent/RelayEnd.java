package io.c2crelay.agent;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.tls.Identity;
import io.c2crelay.common.tls.RelayTls;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.embedded.EmbeddedChannel;
import java.security.GeneralSecurityException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The relay's end of an agent's connection, in memory, with real TLS between the ends. The agent's
 * time is frozen.
 */
public final class RelayEnd implements AutoCloseable {
  /** TLS contexts are never released, as in the program. */
  private static final List<RelayTls> CONTEXTS = new CopyOnWriteArrayList<>();

  private final EmbeddedChannel relay = new EmbeddedChannel();
  private final EmbeddedChannel agent;

  private RelayEnd(EmbeddedChannel agent) {
    this.agent = agent;
  }

  /** An agent's control connection; {@code owner} is the agent's last handler. */
  public static RelayEnd ofControl(Identity identity, ChannelHandler owner) throws Exception {
    return of(identity, owner, FrameDecoder.ofControl(), FrameDecoder.ofControl());
  }

  /** An agent's data connection; {@code owner} is the agent's last handler. */
  public static RelayEnd ofData(Identity identity, ChannelHandler owner) throws Exception {
    return of(identity, owner, FrameDecoder.ofData(), FrameDecoder.ofData());
  }

  private static RelayEnd of(
      Identity identity, ChannelHandler owner, FrameDecoder atAgent, FrameDecoder atRelay)
      throws Exception {
    RelayTls agentTls = agentTls();
    EmbeddedChannel agent =
        new EmbeddedChannel(
            new ChannelInitializer<Channel>() {
              @Override
              protected void initChannel(Channel channel) {
                channel
                    .pipeline()
                    .addLast(new TimeFreezer())
                    .addLast("tls", agentTls.newHandler(channel))
                    .addLast(atAgent)
                    .addLast(FrameEncoder.INSTANCE, owner);
              }
            });
    RelayEnd end = new RelayEnd(agent);
    end.relay
        .pipeline()
        .addLast(
            keep(RelayTls.ofRelay(identity)).newHandler(end.relay), atRelay, FrameEncoder.INSTANCE);
    end.pump();
    return end;
  }

  public static RelayTls agentTls() throws GeneralSecurityException {
    return keep(RelayTls.ofAgent());
  }

  private static RelayTls keep(RelayTls tls) {
    CONTEXTS.add(tls);
    return tls;
  }

  /** First in the pipeline, so that it runs before any handler sets a timer. */
  private static final class TimeFreezer extends ChannelInboundHandlerAdapter {
    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      ((EmbeddedChannel) ctx.channel()).freezeTime();
    }
  }

  /** Transfers bytes both ways until none are left. */
  public void pump() {
    boolean more = true;
    while (more) {
      agent.runPendingTasks();
      relay.runPendingTasks();
      more = move(agent, relay) | move(relay, agent);
    }
  }

  private static boolean move(EmbeddedChannel from, EmbeddedChannel to) {
    boolean moved = false;
    for (ByteBuf bytes = from.readOutbound(); bytes != null; bytes = from.readOutbound()) {
      moved = true;
      if (to.isOpen()) {
        to.writeInbound(bytes);
      } else {
        bytes.release();
      }
    }
    return moved;
  }

  /** Sends frames or raw bytes to the agent. */
  public void send(Object... messages) {
    relay.writeOutbound(messages);
    pump();
  }

  /** The next frame from the agent, or null. */
  public Frame received() {
    return relay.readInbound();
  }

  /** Closes the agent's channel without a TLS close_notify. */
  public void disconnect() {
    agent.close();
    pump();
  }

  /** Advances the agent's time. */
  public void advanceTime(long duration, TimeUnit unit) {
    agent.advanceTimeBy(duration, unit);
    agent.runScheduledPendingTasks();
    pump();
  }

  public EmbeddedChannel agent() {
    return agent;
  }

  @Override
  public void close() {
    agent.finishAndReleaseAll();
    relay.finishAndReleaseAll();
  }
}
