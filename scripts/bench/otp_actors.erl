%% The same on Erlang/OTP: otp_actors:main([Shape, Count]).
%% Prints one number: what was done in a second, or the bytes of an idle server.
-module(otp_actors).
-export([main/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, start_member/1]).

-define(PAIRS, 100).
-define(BURST, 100).
-define(TIMERS_AT_ONCE, 1000).
-define(PENDING, 10000).

-record(small_state, {number = 0, name = idle, since = 0.0}).

main([Shape, Count]) ->
    N = list_to_integer(Count),
    io:format("~p~n", [figure(list_to_atom(Shape), N)]),
    halt(0).

figure(idle, N) ->
    Before = resident(),
    _ = [gen_server:start(?MODULE, server, []) || _ <- lists:seq(1, N)],
    (resident() - Before) / N;
figure('idle-traced', N) ->
    Before = erlang:memory(total),
    _ = [gen_server:start(?MODULE, server, []) || _ <- lists:seq(1, N)],
    (erlang:memory(total) - Before) / N;
figure(supervised, N) ->
    {ok, Sup} = supervisor:start_link(?MODULE, pool),
    Before = resident(),
    start_children(Sup, N),
    (resident() - Before) / N;
figure(Shape, N) ->
    N / seconds(fun() -> run(Shape, N) end).

seconds(Fun) ->
    {Microseconds, _} = timer:tc(Fun),
    Microseconds / 1000000.

run(pingpong, N) ->
    Echo = spawn_link(fun echo/0),
    Echo ! {self(), N div 2},
    pong();
run(messages, N) ->
    {ok, Server} = gen_server:start_link(?MODULE, server, []),
    Server ! {self(), N div 2},
    pong();
run(flood, N) ->
    Share = N div ?PAIRS div ?BURST * ?BURST,
    Me = self(),
    [begin
         Sink = spawn_link(fun() -> sink(Share), Me ! done end),
         spawn_link(fun() -> source(Sink, Share) end)
     end || _ <- lists:seq(1, ?PAIRS)],
    [receive done -> ok end || _ <- lists:seq(1, ?PAIRS)];
run(calls, N) ->
    {ok, Server} = gen_server:start_link(?MODULE, server, []),
    calls(Server, N);
run(spawns, N) ->
    spawns(N);
run(starts, N) ->
    {ok, Sup} = supervisor:start_link(?MODULE, pool),
    start_children(Sup, N);
run(cancel, N) ->
    _ = [erlang:send_after(60000, self(), late) || _ <- lists:seq(1, ?PENDING)],
    cancel(N);
run(fire, N) ->
    fire(N).

echo() ->
    receive
        {From, Number} -> From ! {self(), Number}, echo()
    end.

pong() ->
    receive
        {_, 0} -> ok;
        {From, Number} -> From ! {self(), Number - 1}, pong()
    end.

sink(0) -> ok;
sink(Left) ->
    receive
        Number when is_integer(Number) -> sink(Left - 1)
    end.

source(Sink, Left) ->
    [Sink ! Number || Number <- lists:seq(1, ?BURST)],
    self() ! more,
    receive
        more when Left > ?BURST -> source(Sink, Left - ?BURST);
        more -> ok
    end.

calls(_, 0) -> ok;
calls(Server, Left) ->
    Left = gen_server:call(Server, Left),
    calls(Server, Left - 1).

spawns(0) -> ok;
spawns(Left) ->
    spawn(fun echo/0) ! {self(), Left},
    receive
        {_, Left} -> spawns(Left - 1)
    end.

start_children(_, 0) -> ok;
start_children(Sup, Left) ->
    {ok, _} = supervisor:start_child(Sup, []),
    start_children(Sup, Left - 1).

cancel(0) -> ok;
cancel(Left) ->
    _ = erlang:cancel_timer(erlang:send_after(30000, self(), late)),
    cancel(Left - 1).

fire(Left) when Left =< 0 -> ok;
fire(Left) ->
    _ = [erlang:send_after(1, self(), fired) || _ <- lists:seq(1, ?TIMERS_AT_ONCE)],
    _ = [receive fired -> ok end || _ <- lists:seq(1, ?TIMERS_AT_ONCE)],
    fire(Left - ?TIMERS_AT_ONCE).

resident() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kilobytes]} = re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, [1], list}]),
    list_to_integer(Kilobytes) * 1024.

%% gen_server and supervisor

start_member(Args) -> gen_server:start_link(?MODULE, Args, []).

init(server) -> {ok, #small_state{}};
init(pool) ->
    Member = #{id => member, start => {?MODULE, start_member, [server]}},
    {ok, {#{strategy => simple_one_for_one}, [Member]}}.

handle_call(Request, _From, State) -> {reply, Request, State}.

handle_cast(_Request, State) -> {noreply, State}.

handle_info({From, Number}, State) ->
    From ! {self(), Number},
    {noreply, State}.
