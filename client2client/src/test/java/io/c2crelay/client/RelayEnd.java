package io.c2crelay.client;

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
 * The relay's end of an agent's connection, in memory, with real TLS between the two. Time of the
 * agent's end stands still.
 */
public final class RelayEnd implements AutoCloseable {
  /** TLS contexts live as long as the process, here as in the program. */
  private static final List<RelayTls> KEPT = new CopyOnWriteArrayList<>();

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
      Identity identity, ChannelHandler owner, FrameDecoder agents, FrameDecoder relays)
      throws Exception {
    RelayTls agentTls = agentTls();
    EmbeddedChannel agent =
        new EmbeddedChannel(
            new ChannelInitializer<Channel>() {
              @Override
              protected void initChannel(Channel channel) {
                channel
                    .pipeline()
                    .addLast(new Freezer(), agentTls.newHandler(channel), agents)
                    .addLast(FrameEncoder.INSTANCE, owner);
              }
            });
    RelayEnd end = new RelayEnd(agent);
    end.relay
        .pipeline()
        .addLast(
            keep(RelayTls.ofRelay(identity)).newHandler(end.relay), relays, FrameEncoder.INSTANCE);
    end.carry();
    return end;
  }

  /** A TLS context of an agent. */
  public static RelayTls agentTls() throws GeneralSecurityException {
    return keep(RelayTls.ofAgent());
  }

  private static RelayTls keep(RelayTls tls) {
    KEPT.add(tls);
    return tls;
  }

  /** First in the pipeline: no handler's timer was set before. */
  private static final class Freezer extends ChannelInboundHandlerAdapter {
    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      ((EmbeddedChannel) ctx.channel()).freezeTime();
    }
  }

  /** Carries bytes to and fro until there are no more. */
  public void carry() {
    boolean more = true;
    while (more) {
      agent.runPendingTasks();
      relay.runPendingTasks();
      more = move(agent, relay) | move(relay, agent);
    }
  }

  private static boolean move(EmbeddedChannel from, EmbeddedChannel to) {
    boolean any = false;
    for (ByteBuf part = from.readOutbound(); part != null; part = from.readOutbound()) {
      any = true;
      if (to.isOpen()) {
        to.writeInbound(part);
      } else {
        part.release();
      }
    }
    return any;
  }

  /** Sends frames, or whatever passes the encoder. */
  public void send(Object... messages) {
    relay.writeOutbound(messages);
    carry();
  }

  /** The next frame of the agent, or null. */
  public Frame received() {
    return relay.readInbound();
  }

  /** Closes TCP without a word. */
  public void hangUp() {
    agent.close();
    carry();
  }

  /** Lets the agent's time go by. */
  public void pass(long duration, TimeUnit unit) {
    agent.advanceTimeBy(duration, unit);
    agent.runScheduledPendingTasks();
    carry();
  }

  /** The agent's end. */
  public EmbeddedChannel agent() {
    return agent;
  }

  @Override
  public void close() {
    agent.finishAndReleaseAll();
    relay.finishAndReleaseAll();
  }
}
