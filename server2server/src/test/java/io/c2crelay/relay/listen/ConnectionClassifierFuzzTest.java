package io.c2crelay.relay.listen;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.TlsFirst;
import io.c2crelay.common.testing.Script;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.util.concurrent.MockTicker;
import io.netty.util.concurrent.Ticker;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What may happen to a connection, in any order, beside {@link ClassifierModel}: both must tell the
 * same, and pass on the same bytes, after each step.
 *
 * <p>An input is a sequence of steps, one byte each, and what they need.
 */
class ConnectionClassifierFuzzTest {
  private static final byte[] PREAMBLE = Preamble.of(Preamble.Kind.CONTROL).toBytes();
  private static final byte[] HELLO = ConnectionClassifierTest.hello(TlsFirst.PROTOCOL, 0);

  /** Each time limit, just missed and just reached. */
  private static final int[] MILLIS = {1, 24, 25, 26, 500, 974, 975, 999, 1000, 1001, 1999, 2000};

  private enum Step {
    /** Length, bytes. */
    RECEIVE,
    /** How many more bytes of a preamble as an agent writes it. */
    RECEIVE_PREAMBLE,
    /** An index of {@link #MILLIS}. */
    PASS,
    RECEIVE_FIN,
    RECEIVE_RESET,
    /** How many bytes of the target's. */
    WRITE,
    /** To another event loop, as when a session begins. */
    MOVE,
    CLOSE,
    /** How many more bytes of the ClientHello of an agent that begins with TLS. */
    RECEIVE_HELLO
  }

  private final class Connection implements ConnectionRouter {
    private final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    private final MockTicker ticker = Ticker.newMockTicker();
    private final List<EmbeddedChannel> loops = List.of(loop(), loop());
    private final EmbeddedChannel channel = EmbeddedChannel.builder().register(false).build();
    private final List<String> reported = new ArrayList<>();
    private final List<ChannelFuture> writes = new ArrayList<>();
    private final End user = new End();
    private final End agent = new End();
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();

    Connection() {
      channel.config().setAllocator(allocator);
      channel
          .pipeline()
          .addLast(
              new ConnectionClassifier(
                  () -> MILLISECONDS.toNanos(ClassifierModel.DETECT_MILLIS), this));
      loops.get(0).eventLoop().register(channel);
    }

    private EmbeddedChannel loop() {
      return EmbeddedChannel.builder().ticker(ticker).build();
    }

    @Override
    public void user(boolean silent) {
      reported.add(silent ? "silent user" : "user");
      channel.pipeline().addLast("user", user);
    }

    @Override
    public void confirmed() {
      reported.add("confirmed");
    }

    @Override
    public void tlsFirst() {
      reported.add("tls first");
      channel.pipeline().addLast("agent", agent);
    }

    @Override
    public void invalidPreamble() {}

    @Override
    public void misclassified() {
      reported.add("misclassified");
      channel.close();
    }

    @Override
    public void magic() {
      reported.add("magic");
    }

    @Override
    public void agent(Preamble preamble) {
      reported.add("agent " + preamble.kind().ordinal());
      channel.pipeline().addLast("agent", agent);
    }

    void receive(byte[] bytes) {
      channel.writeInbound(allocator.buffer(bytes.length).writeBytes(bytes));
    }

    void receiveFin() {
      channel.pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
    }

    /** In the order of epoll. */
    void receiveReset() {
      channel.pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
      if (channel.isOpen()) {
        receiveFin();
      }
      channel.close();
    }

    void write(byte[] bytes) {
      writes.add(channel.writeAndFlush(allocator.buffer(bytes.length).writeBytes(bytes)));
    }

    void move() {
      int from = channel.eventLoop() == loops.get(0).eventLoop() ? 0 : 1;
      channel.deregister();
      loops.get(1 - from).eventLoop().register(channel);
    }

    void run() {
      for (EmbeddedChannel loop : loops) {
        loop.runScheduledPendingTasks();
        loop.runPendingTasks();
      }
      channel.checkException();
      for (ByteBuf part = channel.readOutbound(); part != null; part = channel.readOutbound()) {
        take(part, written);
      }
    }

    void assertLike(ClassifierModel model) {
      assertThat(reported).as("reported").isEqualTo(model.reported());
      assertThat(user.received.toByteArray()).as("the user's bytes").isEqualTo(model.toUser());
      assertThat(user.fins + agent.fins).as("FINs passed on").isEqualTo(model.finsPassedOn());
      assertThat(agent.received.toByteArray()).as("the agent's bytes").isEqualTo(model.toAgent());
      assertThat(written.toByteArray()).as("bytes written").isEqualTo(model.written());
      assertThat(channel.isOpen()).as("open").isEqualTo(model.isOpen());
      boolean classified = model.isSettled();
      assertThat(channel.pipeline().get(ConnectionClassifier.class) == null)
          .as("classifier removed")
          .isEqualTo(classified || !model.isOpen());
    }

    void assertNothingLeft() {
      channel.close();
      run();
      assertThat(writes).as("writes completed").allMatch(ChannelFuture::isDone);
      assertThat(allocator.metric().usedHeapMemory()).as("bytes leaked").isZero();
      assertThat(allocator.metric().usedDirectMemory()).as("bytes leaked").isZero();
    }
  }

  /** The handlers of a user or an agent, behind the classifier. */
  private static final class End extends ChannelInboundHandlerAdapter {
    private final ByteArrayOutputStream received = new ByteArrayOutputStream();
    private int fins;

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object msg) {
      take((ByteBuf) msg, received);
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      fins++;
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      ctx.close();
    }
  }

  @FuzzTest
  void steps(byte[] input) {
    Script script = Script.of(input);
    Connection connection = new Connection();
    ClassifierModel model = new ClassifierModel();
    int preambleSent = 0;
    int helloSent = 0;
    boolean fin = false;
    while (script.hasNext() && model.isOpen()) {
      switch (script.oneOf(Step.values())) {
        case RECEIVE -> {
          byte[] bytes = script.bytes();
          if (!fin) {
            connection.receive(bytes);
            model.receive(bytes);
          }
        }
        case RECEIVE_PREAMBLE -> {
          int to = Math.min(PREAMBLE.length, preambleSent + script.unsignedByte());
          byte[] bytes = Arrays.copyOfRange(PREAMBLE, preambleSent, to);
          if (!fin) {
            preambleSent = to;
            connection.receive(bytes);
            model.receive(bytes);
          }
        }
        case RECEIVE_HELLO -> {
          int to = Math.min(HELLO.length, helloSent + script.unsignedByte());
          byte[] bytes = Arrays.copyOfRange(HELLO, helloSent, to);
          if (!fin) {
            helloSent = to;
            connection.receive(bytes);
            model.receive(bytes);
          }
        }
        case PASS -> {
          int millis = script.oneOf(MILLIS);
          connection.ticker.advance(millis, MILLISECONDS);
          connection.run();
          model.pass(millis);
        }
        case RECEIVE_FIN -> {
          if (!fin) {
            fin = true;
            connection.receiveFin();
            model.fin();
          }
        }
        case RECEIVE_RESET -> {
          connection.receiveReset();
          model.closed();
        }
        case WRITE -> {
          byte[] bytes = new byte[script.unsignedByte()];
          Arrays.fill(bytes, (byte) connection.writes.size());
          if (model.isUser()) {
            connection.write(bytes);
            model.write(bytes);
          }
        }
        case MOVE -> {
          if (model.isUser()) {
            connection.move();
          }
        }
        case CLOSE -> {
          connection.channel.close();
          model.closed();
        }
      }
      connection.run();
      connection.assertLike(model);
    }
    connection.assertNothingLeft();
  }

  private static void take(ByteBuf bytes, ByteArrayOutputStream to) {
    try {
      bytes.readBytes(to, bytes.readableBytes());
    } catch (IOException e) {
      throw new AssertionError(e);
    } finally {
      bytes.release();
    }
  }
}
