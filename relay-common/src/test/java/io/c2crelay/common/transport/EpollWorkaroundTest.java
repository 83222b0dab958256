package io.c2crelay.common.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.util.NetUtil;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A peer's FIN that arrives while reading is paused, on each transport. */
@Timeout(30)
class EpollWorkaroundTest {
  private static final int SEVERAL_READS_BYTES = 40_000;

  /** The size of each read of the accepted channel. */
  private final BlockingQueue<Integer> reads = new LinkedBlockingQueue<>();

  /** The end of its input and later events. */
  private final BlockingQueue<String> events = new LinkedBlockingQueue<>();

  private final BlockingQueue<Channel> accepted = new LinkedBlockingQueue<>();
  private EventLoopGroup loops;

  @AfterEach
  void stop() throws Exception {
    if (loops != null) {
      loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).sync();
    }
  }

  @ParameterizedTest
  @EnumSource(Transport.class)
  void bytesAndFinAreReadAfterPause(Transport transport) throws Exception {
    assumeTrue(transport.available(), "not available on this machine");
    try (Socket peer = connect(transport)) {
      Channel channel = accepted.take();
      peer.getOutputStream().write(new byte[10]);
      awaitRead(10);
      pause(channel);
      peer.getOutputStream().write(new byte[SEVERAL_READS_BYTES]);
      peer.shutdownOutput();
      awaitPolls(channel); // at a FIN, Netty's epoll reads even if paused
      pause(channel);

      channel.config().setAutoRead(true);
      awaitRead(SEVERAL_READS_BYTES);
      assertThat(events.poll(10, TimeUnit.SECONDS)).isEqualTo("FIN after 40010");
      assertThat(channel.isOpen()).isTrue();

      channel.writeAndFlush(channel.alloc().buffer().writeBytes(new byte[] {'o', 'k'})).sync();
      assertThat(peer.getInputStream().readNBytes(2)).asString().isEqualTo("ok");
      awaitPolls(channel);
      assertThat(events).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(Transport.class)
  void finIsReadAfterPause(Transport transport) throws Exception {
    assumeTrue(transport.available(), "not available on this machine");
    try (Socket peer = connect(transport)) {
      Channel channel = accepted.take();
      pause(channel);
      peer.shutdownOutput();
      awaitPolls(channel);
      for (int i = 0; i < 3; i++) {
        channel.config().setAutoRead(true);
        awaitPolls(channel);
        pause(channel);
      }
      channel.config().setAutoRead(true);
      assertThat(events.poll(10, TimeUnit.SECONDS)).isEqualTo("FIN after 0");
      assertThat(channel.isOpen()).isTrue();
    }
  }

  private Socket connect(Transport transport) throws Exception {
    loops = transport.newEventLoops(1);
    Channel server =
        new ServerBootstrap()
            .group(loops)
            .channel(transport.serverChannel())
            .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    channel.pipeline().addLast(new Recorder());
                    accepted.add(channel);
                  }
                })
            .bind(new InetSocketAddress(NetUtil.LOCALHOST4, 0))
            .sync()
            .channel();
    InetSocketAddress address = (InetSocketAddress) server.localAddress();
    return new Socket(address.getAddress(), address.getPort());
  }

  /** Pauses reading once the loop has finished its current work. */
  private static void pause(Channel channel) throws Exception {
    channel.eventLoop().submit(() -> channel.config().setAutoRead(false)).sync();
    awaitPolls(channel);
  }

  /** Waits until the loop has polled its sockets twice: it polls between two timers. */
  private static void awaitPolls(Channel channel) throws Exception {
    for (int i = 0; i < 2; i++) {
      channel.eventLoop().schedule(() -> {}, 20, TimeUnit.MILLISECONDS).sync();
    }
  }

  private void awaitRead(int length) throws Exception {
    for (int left = length; left > 0; ) {
      Integer read = reads.poll(10, TimeUnit.SECONDS);
      assertThat(read).as("read, %d bytes missing", left).isNotNull();
      left -= read;
      assertThat(left).isNotNegative();
    }
  }

  private final class Recorder extends ChannelInboundHandlerAdapter {
    private int total;

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object msg) {
      ByteBuf bytes = (ByteBuf) msg;
      total += bytes.readableBytes();
      reads.add(bytes.readableBytes());
      bytes.release();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event instanceof ChannelInputShutdownEvent) {
        events.add("FIN after " + total);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      events.add("closed after " + total);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      events.add(cause.toString());
    }
  }
}
