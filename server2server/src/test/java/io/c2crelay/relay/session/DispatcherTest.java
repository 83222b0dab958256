package io.c2crelay.relay.session;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.testing.MemorySocket;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.session.Assignment.Outcome;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pairing, the queue, the warm pool and the dials, in frozen time on one loop. */
class DispatcherTest {
  private static final String USER = "198.51.100.7";
  private static final String AGENT = "203.0.113.9";
  private static final long LAST_CHOICE_MILLIS = 5000;

  private final EmbeddedChannel clock = new EmbeddedChannel();
  private final AgentAddresses addresses = new AgentAddresses();
  private final List<FakeUser> users = new ArrayList<>();
  private final BufferBudget budget = BufferBudget.ofBytes(1 << 20);
  private final RelayEvents events = new RelayEvents();
  private Dispatchers dispatchers;
  private Dispatcher dispatcher;

  @BeforeEach
  void start() {
    clock.freezeTime();
    dispatcher = dispatcher(2, 400);
  }

  @AfterEach
  void stop() {
    users.forEach(user -> user.socket.close());
    run();
    clock.finishAndReleaseAll();
  }

  private Dispatcher dispatcher(int pool, int maxSessions) {
    dispatchers =
        new Dispatchers(
            clock.eventLoop(),
            DispatcherSettings.of(pool, Duration.ofSeconds(15), maxSessions),
            budget,
            addresses,
            new SecureRandom(),
            events);
    return dispatchers.create(ServiceName.DEFAULT);
  }

  // --- tokens and the warm pool ---

  @Test
  void attachedAgentIsAskedForItsPool() {
    FakeAgent agent = attach();
    assertThat(agent.asked).hasSize(2);
  }

  @Test
  void poolOfZeroDialsForEachUser() {
    dispatcher = dispatcher(0, 400);
    FakeAgent agent = attach();
    assertThat(agent.asked).isEmpty();
    FakeUser user = enter(USER);
    assertThat(agent.asked).hasSize(1);
    FakeConnection connection = agent.answer();
    assertThat(connection.served).isSameAs(user.user());
    assertThat(agent.asked).isEmpty();
  }

  @Test
  void goodTokenIsAnsweredWithItsAck() {
    FakeAgent agent = attach();
    Frame.Dial.DialRequest dialRequest = agent.asked.peek();
    FakeConnection connection = agent.answer();
    assertThat(connection.admittedWith).isEqualTo(dialRequest.ack());
  }

  @Test
  void tokenIsGoodOnce() {
    FakeAgent agent = attach();
    Token token = agent.asked.peek().token();
    agent.answer();
    FakeConnection second = redeem(token);
    assertThat(second.closedFor).isEqualTo(ReasonCode.BAD_TOKEN);
  }

  @Test
  void unknownTokenIsRefused() {
    attach();
    assertThat(redeem(Token.random(new SecureRandom())).closedFor).isEqualTo(ReasonCode.BAD_TOKEN);
  }

  @Test
  void tokenDiesWithItsControlConnection() {
    FakeAgent agent = attach();
    Token token = agent.asked.peek().token();
    detach(agent);
    assertThat(redeem(token).closedFor).isEqualTo(ReasonCode.BAD_TOKEN);
  }

  @Test
  void tokenIsValidForThirtySeconds() {
    FakeAgent agent = attach();
    Frame.Dial.DialRequest early = agent.asked.remove();
    Frame.Dial.DialRequest late = agent.asked.remove();
    pass(29_999);
    assertThat(redeem(early.token()).closedFor).isNull();
    pass(1);
    assertThat(redeem(late.token()).closedFor).isEqualTo(ReasonCode.BAD_TOKEN);
  }

  @Test
  void givenOutConnectionIsReplacedAfterASecond() {
    FakeAgent agent = attach();
    agent.answerAll();
    enter(USER);
    pass(999);
    assertThat(agent.asked).as("it may return, and half of the pool is left").isEmpty();
    pass(1);
    assertThat(agent.asked).hasSize(1);
  }

  @Test
  void poolOfWhichLessThanHalfIsLeftIsRefilledAtOnce() {
    FakeAgent agent = attach();
    agent.answerAll();
    enter(USER);
    enter(USER);
    assertThat(agent.asked).hasSize(2);
  }

  @Test
  void eachSessionDelaysTheRefill() {
    dispatcher = dispatcher(4, 400);
    FakeAgent agent = attach();
    agent.answerAll();
    enter(USER);
    pass(900);
    enter(USER);
    pass(1100); // the timer of the first has passed
    assertThat(agent.asked).hasSize(2);
  }

  @Test
  void shortSessionsOfAFewUsersDialNothing() {
    FakeAgent agent = attach();
    agent.answerAll();
    for (int i = 0; i < 100; i++) {
      end(enter(USER));
      pass(2000);
      agent.heard();
    }
    assertThat(agent.asked).isEmpty();
    assertThat(dispatcher.warm()).isEqualTo(2);
  }

  @Test
  void connectionHeardMostRecentlyIsGivenOutFirst() {
    FakeAgent agent = attach();
    FakeConnection older = agent.answer();
    FakeConnection newer = agent.answer();
    older.heard = 1;
    newer.heard = 2;
    enter(USER);
    assertThat(newer.served).isNotNull();
    assertThat(older.served).isNull();
  }

  @Test
  void connectionWithOverduePingIsNotGivenOut() {
    FakeAgent agent = attach();
    FakeConnection pingOverdue = agent.answer();
    FakeConnection sound = agent.answer();
    pingOverdue.heard = 2;
    pingOverdue.pingOverdue = true;
    enter(USER);
    enter(USER);
    assertThat(pingOverdue.served).isNull();
    assertThat(sound.served).isNotNull();
  }

  @Test
  void closedWarmConnectionIsReplacedAfterASecond() {
    FakeAgent agent = attach();
    FakeConnection connection = agent.answer();
    agent.answer();
    dispatcher.closed(connection);
    run();
    pass(999);
    assertThat(agent.asked).isEmpty();
    pass(1);
    assertThat(agent.asked).hasSize(1);
  }

  @Test
  void failedDialsDelayTheRefillTwiceAsLongEachTimeUpToThirtySeconds() {
    dispatcher = dispatcher(1, 400);
    FakeAgent agent = attach();
    for (long delay : new long[] {1000, 2000, 4000, 8000, 16_000, 30_000, 30_000}) {
      agent.fail();
      pass(delay - 1);
      assertThat(agent.asked).as("%d ms later", delay - 1).isEmpty();
      agent.heard();
      pass(1);
      assertThat(agent.asked).as("%d ms later", delay).hasSize(1);
    }
    agent.answerAll(); // which resets the delay
    dispatcher.closed(agent.opened.get(0));
    run();
    pass(1000);
    assertThat(agent.asked).hasSize(1);
  }

  @Test
  void whatFailsTogetherDelaysTheRefillOnce() {
    dispatcher = dispatcher(4, 400);
    FakeAgent agent = attach();
    for (int i = 0; i < 4; i++) {
      agent.fail();
    }
    pass(999);
    assertThat(agent.asked).isEmpty();
    pass(1);
    assertThat(agent.asked).hasSize(4);
  }

  @Test
  void connectionThatNobodyNeedsAnyMoreIsClosed() {
    dispatcher = dispatcher(0, 400);
    FakeAgent agent = attach();
    FakeUser user = enter(USER);
    user.leave();
    assertThat(agent.answer().closedFor).isEqualTo(ReasonCode.LIMIT);
  }

  // --- connections that are free after a session ---

  @Test
  void connectionOfAnEndedSessionIsGivenToTheNextUser() {
    dispatcher = dispatcher(1, 400);
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser first = enter(USER);
    FakeUser second = enter(USER);
    FakeConnection free = end(first);
    assertThat(free.served).as("the second user waited").isSameAs(second.user());
  }

  @Test
  void connectionThatIsFreeCountsForThePool() {
    dispatcher = dispatcher(1, 400);
    FakeAgent agent = attach();
    agent.answerAll();
    FakeConnection free = end(enter(USER));
    agent.answerAll(); // the connection dialled meanwhile
    assertThat(enter(USER).user()).isIn(free.served, agent.opened.get(1).served);
    assertThat(agent.asked).as("one is left").isEmpty();
  }

  @Test
  void connectionsBeyondThePoolAreClosedWhenNotUsedFor5Seconds() {
    dispatcher = dispatcher(1, 400);
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser first = enter(USER);
    agent.answerAll();
    FakeUser second = enter(USER);
    agent.answerAll();
    FakeConnection early = end(first);
    pass(1000);
    FakeConnection late = end(second);
    pass(3999);
    assertThat(early.closedFor).isNull();
    pass(1);
    assertThat(agent.opened.get(2).closedFor).as("active last of all").isEqualTo(ReasonCode.LIMIT);
    assertThat(early.closedFor).isEqualTo(ReasonCode.LIMIT);
    pass(10_000);
    assertThat(late.closedFor).as("the pool's").isNull();
    assertThat(agent.asked).isEmpty();
  }

  @Test
  void noMoreThan256ConnectionsAreKeptBeyondThePool() {
    dispatcher = dispatcher(1, 400);
    FakeAgent agent = attach();
    List<FakeUser> inSession = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      agent.answerAll();
      inSession.add(enter(USER));
    }
    agent.answerAll();
    inSession.forEach(this::end);
    assertThat(dispatcher.warm()).isEqualTo(1 + 256);
  }

  @Test
  void freeConnectionOfADetachedAgentIsClosed() {
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser user = enter(USER);
    detach(agent);
    assertThat(end(user).closedFor).isEqualTo(ReasonCode.AGENT_LOST);
  }

  @Test
  void poolOfZeroKeepsNoConnections() {
    assertThat(dispatcher.keepsConnections()).isTrue();
    assertThat(dispatcher(0, 400).keepsConnections()).isFalse();
  }

  /** Ends the user's session; returns its connection, which is free. */
  private FakeConnection end(FakeUser user) {
    Assignment assignment = user.connection.queued().assignment();
    complete(user, Outcome.SESSION_ENDED, ReasonCode.DONE);
    FakeConnection free = new FakeConnection();
    free.heard = now();
    dispatcher.reused(free, assignment.agent());
    run();
    return free;
  }

  // --- users that wait ---

  @Test
  void userWaitsForAnAgent() {
    FakeUser user = enter(USER);
    pass(14_000);
    FakeAgent agent = attach();
    assertThat(agent.answer().served).isSameAs(user.user());
  }

  @Test
  void userIsResetAfterTheWaitingTime() {
    FakeUser user = enter(USER);
    pass(14_999);
    assertThat(user.isOpen()).isTrue();
    pass(1);
    assertThat(user.isOpen()).isFalse();
  }

  @Test
  void withoutAnAgentSixtyFourUsersOfOneSourceMayWait() {
    enterMany(64, USER);
    assertThat(enter(USER).isOpen()).isFalse();
    assertThat(enter("198.51.100.8").isOpen()).isTrue();
  }

  @Test
  void withoutAnAgentTwoHundredAndFiftySixUsersMayWait() {
    enterMany(64, "198.51.100.100");
    for (int i = 1; i <= 4; i++) {
      enterMany(48, "198.51.100." + (100 + i));
    }
    FakeUser first = users.get(0);
    assertThat(enter(USER).isOpen()).isTrue();
    assertThat(first.isOpen()).as("of those that hold most").isFalse();
    assertThat(open()).isEqualTo(256);
  }

  @Test
  void withAnAgentAsManyAsThereMayBeSessions() {
    attach();
    enterFromMany(80, 5);
    assertThat(enter("192.0.2.1").isOpen()).isFalse();
    assertThat(open()).isEqualTo(400);
  }

  // --- networks that hold much ---

  @ParameterizedTest
  @CsvSource({"false, 400, 360", "true, 400, 90", "false, 10, 9", "false, 1, 1", "true, 2, 1"})
  void oneSourceLeavesATenth(boolean silent, int maxSessions, int most) {
    dispatcher = dispatcher(0, maxSessions);
    attach();
    for (int i = 0; i < most; i++) {
      assertThat(enter(USER, silent).isOpen()).isTrue();
    }
    assertThat(enter(USER, silent).isOpen()).isFalse();
    assertThat(open()).isEqualTo(most);
  }

  @Test
  void theSourceThatHoldsMostGivesWayWhenAllIsTaken() {
    attach();
    enterMany(195, "192.0.2.100");
    enterFromMany(41, 5);
    assertThat(enter(USER).isOpen()).isTrue();
    assertThat(users.get(0).isOpen()).isFalse();
    assertThat(enter("192.0.2.2").isOpen()).as("holds less than the largest").isTrue();
    assertThat(users.get(1).isOpen()).isFalse();
    assertThat(enter("192.0.2.100").isOpen()).as("holds most itself").isFalse();
    assertThat(open()).isEqualTo(400);
  }

  @Test
  void silentUsersGiveWayFirstWithTheirSessions() {
    dispatcher = dispatcher(0, 4);
    FakeAgent agent = attach();
    enterSilent("192.0.2.1");
    agent.answerAll();
    enterMany(2, "192.0.2.1");
    enter("192.0.2.2");
    assertThat(agent.sessions()).isEqualTo(1);
    assertThat(enter(USER).isOpen()).isTrue();
    assertThat(users.stream().map(FakeUser::isOpen)).containsExactly(false, true, true, true, true);
  }

  @Test
  void runningSessionsNeverGiveWay() {
    dispatcher = dispatcher(0, 4);
    FakeAgent agent = attach();
    enterMany(3, "192.0.2.1");
    enter("192.0.2.2");
    agent.answerAll();
    assertThat(agent.sessions()).isEqualTo(4);
    assertThat(enter(USER).isOpen()).isFalse();
    assertThat(open()).isEqualTo(4);
  }

  @Test
  void sourcesThatHoldTheSameDoNotGiveWay() {
    dispatcher = dispatcher(0, 2);
    attach();
    enter("192.0.2.1");
    enter("192.0.2.2");
    assertThat(enter(USER).isOpen()).isFalse();
    assertThat(open()).isEqualTo(2);
  }

  @Test
  void sourcesAreServedInTurn() {
    dispatcher = dispatcher(0, 400);
    FakeAgent agent = attach();
    enterMany(100, "192.0.2.1");
    FakeUser silent = enterSilent("192.0.2.2");
    FakeUser other = enter("192.0.2.3");
    List<UserConnection> served = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      served.add(agent.answer().served);
    }
    assertThat(served)
        .containsExactly(
            users.get(0).user(),
            silent.user(),
            other.user(),
            users.get(1).user(),
            users.get(2).user(),
            users.get(3).user());
  }

  @Test
  void bytesOfAUserThatWasResetAndCannotBeServedAreReleased() {
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser user = enter(USER);
    assertThat(agent.sessions()).isEqualTo(1);
    ByteBuf bytes = user.socket.alloc().buffer().writeByte('x');
    user.socket.pipeline().fireChannelRead(bytes);
    user.socket.close();
    run();
    assertThat(bytes.refCnt()).as("its session may deliver them").isEqualTo(1);
    complete(user, Outcome.CONNECTION_GONE, ReasonCode.AGENT_LOST);
    run();
    assertThat(bytes.refCnt()).isZero();
    assertThat(agent.sessions()).isEqualTo(1); // given to once, and not again
  }

  @Test
  void userThatIsResetLeavesTheQueueAtOnce() {
    dispatcher = dispatcher(0, 400);
    FakeAgent agent = attach();
    pass(12_001); // so that no dial is made
    FakeUser user = enter(USER);
    user.socket.close();
    run();
    agent.heard();
    pass(1000);
    assertThat(agent.asked).isEmpty();
  }

  @Test
  void aQuarterOfTheSessionsMayBeSilent() {
    attach();
    for (int i = 0; i < 100; i++) {
      assertThat(enterSilent("192.0.2." + i).isOpen()).isTrue();
    }
    assertThat(enterSilent(USER).isOpen()).isFalse();
    users.get(0).confirm();
    assertThat(enterSilent(USER).isOpen()).isTrue();
    assertThat(enter(USER).isOpen()).isTrue();
  }

  @Test
  void exhaustedMemoryTakesNoNewUser() {
    budget.add(1 << 20);
    assertThat(enter(USER).isOpen()).isFalse();
    budget.add(-1);
    assertThat(enter(USER).isOpen()).isTrue();
  }

  @Test
  void usersThatHaveSentSomethingComeBeforeSilentOnes() {
    FakeUser silent = enterSilent(USER);
    FakeUser late = enterSilent(USER);
    FakeUser speaking = enter(USER);
    late.confirm();
    FakeAgent agent = attach();
    assertThat(agent.answer().served).isSameAs(speaking.user());
    assertThat(agent.answer().served).isSameAs(late.user());
    assertThat(agent.answer().served).isSameAs(silent.user());
  }

  @Test
  void asManyConnectionsAreDialledAsUsersWaitBesidesThePool() {
    FakeAgent agent = attach();
    agent.answerAll();
    enterMany(10, USER);
    assertThat(agent.asked).hasSize(8 + 2);
  }

  @Test
  void agentHasAtMost256TokensOutstanding() {
    FakeAgent agent = attach();
    enterMany(300, USER);
    assertThat(agent.asked).hasSize(256);
    agent.answer();
    assertThat(agent.asked).hasSize(256);
  }

  @Test
  void misclassifiedConnectionDelaysTheRefill() {
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser user = enterSilent(AGENT);
    agent.answerAll();
    dispatcher.misclassified(user.connection.client().network());
    user.leave();
    enter(USER);
    pass(999);
    assertThat(agent.asked).isEmpty();
    pass(1);
    assertThat(agent.asked).hasSize(2);
  }

  // --- several agents ---

  @Test
  void agentWithFewestSessionsIsNext() {
    FakeAgent one = attach();
    FakeAgent two = attach();
    one.answerAll();
    two.answerAll();
    for (int i = 0; i < 6; i++) {
      enter(USER);
      one.answerAll();
      two.answerAll();
    }
    assertThat(one.sessions()).isEqualTo(3);
    assertThat(two.sessions()).isEqualTo(3);
  }

  @Test
  void agentNotHeardForTwelveSecondsGetsNoUser() {
    FakeAgent silent = attach();
    silent.answerAll();
    pass(12_001);
    FakeUser user = enter(USER);
    assertThat(silent.sessions()).isZero();
    silent.heard();
    pass(1000);
    assertThat(silent.sessions()).isEqualTo(1);
    assertThat(user.isOpen()).isTrue();
  }

  @Test
  void whereNoConnectionComesInThreeSecondsTheNextAgentIsDialledToo() {
    dispatcher = dispatcher(0, 400);
    FakeAgent one = attach();
    FakeAgent two = attach();
    enter(USER);
    assertThat(one.asked.size() + two.asked.size()).isEqualTo(1);
    FakeAgent first = one.asked.isEmpty() ? two : one;
    FakeAgent second = first == one ? two : one;
    pass(2999);
    assertThat(second.asked).isEmpty();
    pass(1);
    assertThat(second.asked).hasSize(1);
    assertThat(second.answer().served).isNotNull();
  }

  @Test
  void userWhoseConnectionFailedUntouchedGoesToAnotherAgent() {
    FakeAgent one = attach();
    one.answerAll();
    FakeUser user = enter(USER);
    FakeAgent two = attach();
    two.answerAll();
    complete(user, Outcome.CONNECTION_FAILED, ReasonCode.AGENT_LOST);
    run();
    assertThat(two.sessions()).isEqualTo(1);
    assertThat(user.isOpen()).isTrue();
  }

  @Test
  void userWhoseConnectionFailedUntouchedIsResetWhereThereIsNoOtherAgent() {
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser user = enter(USER);
    complete(user, Outcome.CONNECTION_FAILED, ReasonCode.AGENT_LOST);
    run();
    assertThat(user.isOpen()).isFalse();
  }

  /** Or else it would look idle for ever, and get every user. */
  @Test
  void userThatWasResetSoCountsAsOneSessionLess() {
    FakeAgent failing = attach();
    failing.answerAll();
    for (int i = 0; i < 3; i++) {
      complete(enter(USER), Outcome.CONNECTION_FAILED, ReasonCode.LIMIT);
      run();
      failing.answerAll();
    }
    FakeAgent other = attach();
    other.answerAll();
    pass(LAST_CHOICE_MILLIS);
    failing.heard();
    other.heard();
    for (int i = 0; i < 4; i++) {
      enter(USER);
      failing.answerAll();
      other.answerAll();
    }
    assertThat(other.sessions()).isEqualTo(2);
    assertThat(failing.sessions()).isEqualTo(3 + 2);
  }

  @Test
  void eachAgentFailsAUserOnce() {
    FakeAgent one = attach();
    one.answerAll();
    FakeUser user = enter(USER);
    FakeAgent two = attach();
    two.answerAll();
    one.answerAll();
    complete(user, Outcome.CONNECTION_FAILED, ReasonCode.LIMIT);
    run();
    assertThat(two.sessions()).isEqualTo(1);
    complete(user, Outcome.CONNECTION_FAILED, ReasonCode.LIMIT);
    run();
    assertThat(one.sessions()).isEqualTo(1);
    assertThat(user.isOpen()).isFalse();
  }

  /** Its sessions end at once, so it has the fewest. */
  @Test
  void agentWhoseTargetCannotBeDialledIsTheLastChoiceForAWhile() {
    FakeAgent broken = attach();
    broken.answerAll();
    FakeUser first = enter(USER);
    FakeAgent sound = attach();
    sound.answerAll();
    broken.answerAll();
    complete(first, Outcome.SESSION_ENDED, ReasonCode.TARGET_REFUSED);
    run();
    for (int i = 0; i < 5; i++) {
      enter(USER);
      sound.answerAll();
    }
    assertThat(sound.sessions()).isEqualTo(5);
    pass(LAST_CHOICE_MILLIS);
    enter(USER);
    assertThat(broken.sessions()).as("looked at again").isEqualTo(2);
  }

  @Test
  void agentWhoseTargetCannotBeDialledGetsUsersWhereThereIsNoOther() {
    FakeAgent broken = attach();
    broken.answerAll();
    complete(enter(USER), Outcome.SESSION_ENDED, ReasonCode.TARGET_REFUSED);
    run();
    broken.answerAll();
    enter(USER);
    assertThat(broken.sessions()).isEqualTo(2);
  }

  @Test
  void startThatTimesOutHasTheAgentsWarmConnectionsPinged() {
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser user = enter(USER);
    complete(user, Outcome.CONNECTION_FAILED, ReasonCode.START_TIMEOUT);
    run();
    assertThat(agent.opened).filteredOn(c -> c.served == null).allMatch(c -> c.pinged);
  }

  @Test
  void userGivenToAConnectionThatHadClosedIsFirstAgain() {
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser user = enter(USER);
    FakeConnection dead = agent.opened.stream().filter(c -> c.served != null).findFirst().get();
    dead.served = null;
    complete(user, Outcome.CONNECTION_GONE, ReasonCode.AGENT_LOST);
    run();
    assertThat(agent.sessions()).isEqualTo(1);
    assertThat(user.isOpen()).isTrue();
  }

  @Test
  void agentThatAUserIsBarredFromIsNotDialledForIt() {
    dispatcher = dispatcher(0, 400);
    FakeAgent one = attach();
    FakeUser user = enter(USER);
    one.answer();
    FakeAgent two = attach();
    enterMany(3, USER); // so that the first agent has fewer sessions
    two.answerAll();
    one.asked.clear();
    complete(user, Outcome.CONNECTION_FAILED, ReasonCode.START_TIMEOUT);
    run();
    assertThat(one.asked).isEmpty();
    assertThat(two.answer().served).isSameAs(user.user());
  }

  @Test
  void agentThatAUserIsBarredFromIsNotDialledWhileTheOtherRestsEither() {
    dispatcher = dispatcher(0, 400);
    FakeAgent one = attach();
    FakeUser user = enter(USER);
    one.answer();
    FakeAgent two = attach();
    complete(user, Outcome.CONNECTION_FAILED, ReasonCode.START_TIMEOUT);
    run();
    two.fail();
    assertThat(one.asked).isEmpty();
    assertThat(two.asked).isEmpty();
    pass(1000);
    assertThat(one.asked).isEmpty();
    assertThat(two.answer().served).isSameAs(user.user());
  }

  @Test
  void manyAgentsAreDialledForNoMoreThanUsersAndPoolsNeed() {
    dispatcher = dispatcher(4, 400);
    List<FakeAgent> agents = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      agents.add(attach());
    }
    agents.forEach(FakeAgent::answerAll);
    enterMany(90, USER);
    assertThat(agents.stream().mapToInt(agent -> agent.asked.size()).sum()).isEqualTo(50 + 40);
  }

  @Test
  void tokensOfALeavingAgentAreCountedOnNoMore() {
    FakeAgent one = attach();
    enterMany(5, USER);
    FakeAgent two = attach();
    dispatcher.draining(one);
    run();
    assertThat(two.asked).hasSize(5 + 2);
    assertThat(redeem(one.asked.remove().token()).closedFor).isEqualTo(ReasonCode.BAD_TOKEN);
  }

  @Test
  void usersDialGoesToAnotherAgentAtOnceWhereOneFailed() {
    dispatcher = dispatcher(0, 400);
    FakeAgent one = attach();
    FakeAgent two = attach();
    enter(USER);
    FakeAgent first = one.asked.isEmpty() ? two : one;
    FakeAgent second = first == one ? two : one;
    first.fail();
    assertThat(first.asked).isEmpty();
    assertThat(second.asked).hasSize(1);
  }

  @Test
  void usersDialThatFailedIsMadeAgainAfterASecondWhereThereIsNoOtherAgent() {
    dispatcher = dispatcher(0, 400);
    FakeAgent agent = attach();
    enter(USER);
    agent.fail();
    assertThat(agent.asked).isEmpty();
    pass(1000);
    assertThat(agent.asked).hasSize(1);
  }

  @Test
  void loneAgentIsNotDialledTwiceForOneUser() {
    dispatcher = dispatcher(0, 400);
    FakeAgent agent = attach();
    enter(USER);
    pass(4000);
    assertThat(agent.asked).hasSize(1);
  }

  @Test
  void sessionsOfAnAgentCountAlsoAfterItAttachedAgain() {
    FakeAgent busy = attach();
    for (int i = 0; i < 5; i++) {
      busy.answerAll();
      enter(USER);
    }
    detach(busy);
    FakeAgent again = attach(new FakeAgent(busy.instance()));
    FakeAgent idle = attach();
    again.answerAll();
    idle.answerAll();
    enter(USER);
    assertThat(again.sessions()).isZero();
    assertThat(idle.sessions()).isEqualTo(1);
  }

  // --- several services ---

  @Test
  void usersAreServedByAgentsOfTheirService() {
    Dispatcher ssh = dispatcher;
    dispatcher = dispatchers.create(ServiceName.parse("--service", "web"));
    FakeAgent agent = attach();
    FakeUser webUser = enter(USER);
    FakeConnection first = agent.answer();
    assertThat(first.admittedBy).isSameAs(dispatcher);
    assertThat(first.served).isSameAs(webUser.user());
    FakeConnection second = agent.answer();
    dispatcher = ssh;
    FakeUser sshUser = enter(USER);
    assertThat(second.served).isNull();
    attach().answer();
    assertThat(sshUser.isOpen()).isTrue();
    assertThat(dispatchers.stats()).contains("agents=2", "sessions=2", "waiting=0");
  }

  /** Each user is another network's, so only the service can be held to its share. */
  @Test
  void oneOfSeveralServicesLeavesATenth() {
    dispatcher = dispatcher(0, 40);
    attach();
    dispatchers.create(ServiceName.parse("--service", "web"));
    for (int i = 1; i <= 40; i++) {
      enter("192.0.2." + i);
    }
    assertThat(open()).isEqualTo(36);
  }

  @Test
  void theServiceThatHoldsMostGivesWay() {
    dispatcher = dispatcher(0, 40);
    Dispatcher ssh = dispatcher;
    attach();
    Dispatcher web = dispatchers.create(ServiceName.parse("--service", "web"));
    for (int i = 1; i <= 36; i++) {
      enter("192.0.2." + i);
    }
    dispatcher = web;
    attach();
    for (int i = 1; i <= 10; i++) {
      assertThat(enter("198.51.100." + i).isOpen()).isTrue();
    }
    assertThat(users.subList(0, 6)).noneMatch(FakeUser::isOpen);
    assertThat(open()).isEqualTo(40);
    dispatcher = ssh;
    assertThat(enter("203.0.113.1").isOpen()).as("its service holds most").isFalse();
  }

  /** A large service takes nothing from a small one, also if that has one network only. */
  @Test
  void theServiceThatHoldsMostTakesNothing() {
    dispatcher = dispatcher(0, 40);
    Dispatcher ssh = dispatcher;
    attach();
    dispatcher = dispatchers.create(ServiceName.parse("--service", "web"));
    attach();
    List<FakeUser> webUsers = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      webUsers.add(enter(USER));
    }
    dispatcher = ssh;
    for (int i = 1; i <= 60; i++) {
      enter("192.0.2." + i);
    }
    assertThat(webUsers).allMatch(FakeUser::isOpen);
  }

  /** A network takes nothing from users that are alone in theirs, also those of another service. */
  @Test
  void theNetworkThatHoldsMostTakesNothing() {
    dispatcher = dispatcher(0, 40);
    Dispatcher ssh = dispatcher;
    attach();
    dispatcher = dispatchers.create(ServiceName.parse("--service", "web"));
    attach();
    for (int i = 1; i <= 36; i++) {
      enter("192.0.2." + i);
    }
    dispatcher = ssh;
    for (int i = 1; i <= 40; i++) {
      enter(USER);
    }
    assertThat(users.subList(0, 36)).allMatch(FakeUser::isOpen);
    assertThat(open()).isEqualTo(40);
  }

  /** A newcomer that is silent takes the place of a silent user. */
  @Test
  void confirmedUserGivesNoWayToASilentOne() {
    dispatcher = dispatcher(0, 8); // 2 of them silent
    attach();
    enterMany(4, "192.0.2.1");
    enterSilent("192.0.2.2");
    enterSilent("192.0.2.3");
    assertThat(enterSilent(USER).isOpen()).isFalse();
    assertThat(users.subList(0, 6)).allMatch(FakeUser::isOpen);
  }

  @Test
  void networkHasALimitOfItsOwn() {
    dispatchers =
        new Dispatchers(
            clock.eventLoop(),
            DispatcherSettings.of(0, Duration.ofSeconds(15), 100).withSessionsPerNetwork(3),
            budget,
            addresses,
            new SecureRandom(),
            events);
    dispatcher = dispatchers.create(ServiceName.DEFAULT);
    attach();
    enterMany(3, USER);
    assertThat(enter(USER).isOpen()).isFalse();
    assertThat(enter("192.0.2.1").isOpen()).isTrue();
  }

  /** 64 of one network and 256 in all, of each. */
  @Test
  void waitingWithoutAgentIsLimitedByService() {
    Dispatcher ssh = dispatcher;
    dispatcher = dispatchers.create(ServiceName.parse("--service", "web"));
    enterMany(64, USER);
    assertThat(enter(USER).isOpen()).isFalse();
    dispatcher = ssh;
    enterMany(64, USER);
    assertThat(open()).isEqualTo(128);
  }

  /** The silent limit wants another's place than the limit of those that wait. */
  @Test
  void newcomerMayTakeTwoPlaces() {
    dispatcher = dispatcher(0, 400); // 100 of them silent
    Dispatcher withoutAgent = dispatcher;
    for (int network = 1; network <= 4; network++) {
      enterMany(64, "192.0.2." + network);
    }
    for (int service = 1; service <= 20; service++) { // none holds more than its share
      dispatcher = dispatchers.create(ServiceName.parse("--service", "s" + service));
      attach();
      for (int i = 1; i <= 5; i++) {
        enterSilent("198.51.100." + (100 + service));
      }
    }
    assertThat(open()).isEqualTo(356);
    dispatcher = withoutAgent;
    assertThat(enterSilent(USER).isOpen()).isTrue();
    assertThat(open()).isEqualTo(355);
  }

  // --- ends ---

  @Test
  void detachedAgentsWarmConnectionsAreClosedAndItsSessionsGoOn() {
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser user = enter(USER);
    detach(agent);
    assertThat(agent.opened)
        .filteredOn(c -> c.served == null)
        .allMatch(c -> c.closedFor == ReasonCode.AGENT_LOST);
    assertThat(agent.opened).filteredOn(c -> c.served != null).allMatch(c -> c.closedFor == null);
    assertThat(user.isOpen()).isTrue();
  }

  @Test
  void leavingAgentGetsNoMoreUsers() {
    FakeAgent agent = attach();
    agent.answerAll();
    dispatcher.draining(agent);
    enter(USER);
    assertThat(agent.sessions()).isZero();
    assertThat(agent.asked).isEmpty();
  }

  @Test
  void drainResetsThoseWhoWaitAndEndsWithTheLastSession() {
    FakeUser waiting = enterAll(1).get(0);
    dispatcher = dispatcher(1, 400);
    FakeAgent agent = attach();
    agent.answerAll();
    FakeUser served = enter(USER);
    FakeUser queued = enter(USER);
    Future<Void> drained = dispatchers.drain();
    run();
    assertThat(agent.goneAway).isEqualTo(ReasonCode.DRAINING);
    assertThat(queued.isOpen()).isFalse();
    assertThat(served.isOpen()).isTrue();
    assertThat(drained.isDone()).isFalse();
    assertThat(enter(USER).isOpen()).isFalse();
    served.leave();
    assertThat(drained.isSuccess()).isTrue();
    assertThat(waiting.isOpen()).isTrue(); // the other dispatcher's
  }

  @Test
  void drainWithoutSessionsEndsAtOnce() {
    Future<Void> drained = dispatchers.drain();
    run();
    assertThat(drained.isSuccess()).isTrue();
  }

  // --- helpers ---

  /** Completes a user's assignment. */
  private static void complete(FakeUser user, Outcome outcome, ReasonCode reason) {
    user.connection.queued().assignment().complete(outcome, reason);
  }

  private FakeAgent attach() {
    return attach(new FakeAgent());
  }

  private FakeAgent attach(FakeAgent agent) {
    addresses.attached(agent.network(), now());
    dispatcher.attached(agent);
    run();
    return agent;
  }

  private void detach(FakeAgent agent) {
    dispatcher.detached(agent);
    run();
  }

  private FakeUser enter(String address) {
    return enter(address, false);
  }

  private FakeUser enterSilent(String address) {
    return enter(address, true);
  }

  private FakeUser enter(String address, boolean silent) {
    FakeUser user = new FakeUser(address, silent);
    users.add(user);
    run();
    return user;
  }

  private void enterMany(int count, String address) {
    for (int i = 0; i < count; i++) {
      assertThat(enter(address).isOpen()).isTrue();
    }
  }

  private void enterFromMany(int networks, int each) {
    for (int i = 1; i <= networks; i++) {
      enterMany(each, "192.0.2." + i);
    }
  }

  private long open() {
    return users.stream().filter(FakeUser::isOpen).count();
  }

  private List<FakeUser> enterAll(int count) {
    enterMany(count, USER);
    return users;
  }

  private FakeConnection redeem(Token token) {
    FakeConnection connection = new FakeConnection();
    dispatchers.redeem(token, connection);
    run();
    return connection;
  }

  private void pass(long millis) {
    clock.advanceTimeBy(millis, MILLISECONDS);
    clock.runScheduledPendingTasks();
    run();
  }

  private void run() {
    clock.runPendingTasks();
  }

  private long now() {
    return clock.eventLoop().ticker().nanoTime();
  }

  private final class FakeUser {
    final MemorySocket socket;
    final UserConnection connection;

    FakeUser(String address, boolean silent) {
      InetSocketAddress remote = new InetSocketAddress(address, 50_000);
      socket = new MemorySocket(remote, true, UnpooledByteBufAllocator.DEFAULT);
      clock.eventLoop().register(socket);
      ClientAddress client = ClientAddress.of(remote, new InetSocketAddress("192.0.2.1", 4000));
      connection = UserConnection.enter(socket, client, dispatcher, events, silent);
    }

    UserConnection user() {
      return connection;
    }

    boolean isOpen() {
      return socket.isOpen();
    }

    void confirm() {
      connection.confirm();
      run();
    }

    void leave() {
      Assignment assignment = connection.queued().assignment();
      if (assignment == null) {
        socket.close();
      } else {
        assignment.complete(Outcome.SESSION_ENDED, ReasonCode.DONE);
      }
      run();
    }
  }

  private final class FakeAgent implements AgentLink {
    final Deque<Frame.Dial.DialRequest> asked = new ArrayDeque<>();
    final List<FakeConnection> opened = new ArrayList<>();
    @Nullable ReasonCode goneAway;
    private final InstanceId instance;
    private long heardAt = now();

    FakeAgent() {
      this(InstanceId.random(new SecureRandom()));
    }

    FakeAgent(InstanceId instance) {
      this.instance = instance;
    }

    @Override
    public InstanceId instance() {
      return instance;
    }

    void heard() {
      heardAt = now();
    }

    FakeConnection answer() {
      FakeConnection connection = redeem(asked.remove().token());
      opened.add(connection);
      return connection;
    }

    void answerAll() {
      while (!asked.isEmpty()) {
        answer();
      }
    }

    void fail() {
      dispatcher.dialFailed(this, asked.remove().token(), ReasonCode.AGENT_LOST);
      run();
    }

    long sessions() {
      return opened.stream().filter(c -> c.served != null).count();
    }

    @Override
    public String name() {
      return "a";
    }

    @Override
    public ClientNetwork network() {
      return ClientNetwork.of(new InetSocketAddress(AGENT, 1));
    }

    @Override
    public long lastHeardNanos() {
      return heardAt;
    }

    @Override
    public void dial(List<Frame.Dial.DialRequest> dialRequests) {
      asked.addAll(dialRequests);
    }

    @Override
    public void goAway(ReasonCode reason) {
      goneAway = reason;
    }
  }

  private static final class FakeConnection implements DataConnection {
    @Nullable Token admittedWith;
    @Nullable Dispatcher admittedBy;
    @Nullable Assignment given;
    @Nullable UserConnection served;
    @Nullable ReasonCode closedFor;
    boolean pinged;
    boolean pingOverdue;
    long heard;

    @Override
    public void admit(Dispatcher dispatcher, Token ack, String agentName) {
      admittedWith = ack;
      admittedBy = dispatcher;
    }

    @Override
    public void serve(Assignment assignment) {
      given = assignment;
      served = assignment.user();
    }

    @Override
    public void ping() {
      pinged = true;
    }

    @Override
    public void close(ReasonCode reason) {
      closedFor = reason;
    }

    @Override
    public long lastHeardNanos() {
      return heard;
    }

    @Override
    public boolean isPingOverdue(long nowNanos) {
      return pingOverdue;
    }
  }
}
